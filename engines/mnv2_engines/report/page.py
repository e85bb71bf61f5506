"""The templates that every report is made of: one style, and nothing that has to be fetched."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Final

from mnv2_engines.evaluation.result import EvaluatedEngine, UnreadablePicture
from mnv2_engines.preprocessing.preprocess import Preprocess

__all__ = [
    "describe_evaluated",
    "describe_preprocess",
    "embed_jpeg",
    "embed_png",
    "fill_page",
    "list_unreadable",
    "make_list",
    "make_rows",
    "make_table",
    "percent",
]

_HERE: Final = Path(__file__).parent


def fill_page(template: str, *, title: str, **parts: str) -> str:
    """Return a page whose body is the template (a file beside this module) with its parts, which are HTML already."""
    body = _fill(template, **parts)
    return _fill("page.html", title=title, style=(_HERE / "style.css").read_text(encoding="utf-8"), body=body)


def _fill(template: str, **parts: str) -> str:
    return Template((_HERE / template).read_text(encoding="utf-8")).substitute(**parts)


def make_rows(rows: Sequence[tuple[str, str]]) -> str:
    """Return rows of a table: what is named on the left, its value on the right, both escaped."""
    return "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)


def make_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with a heading, everything escaped; the word None where there is no row."""
    if not rows:
        return "<p>None.</p>"
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heading)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="columns"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def make_list(items: Sequence[str]) -> str:
    """Return the items of a list, escaped."""
    return "".join(f"<li>{escape(item)}</li>" for item in items)


def list_unreadable(unreadable: Sequence[UnreadablePicture]) -> str:
    """Return why each of these pictures was not judged."""
    return f"<ul>{make_list([one.reason for one in unreadable])}</ul>" if unreadable else "<p>None.</p>"


def percent(value: float | None) -> str:
    """Return a share in percent; - for none."""
    return "-" if value is None else f"{100 * value:.1f} %"


def describe_evaluated(judged: EvaluatedEngine) -> str:
    """Return which network was fed how."""
    return f"{judged.name} on {judged.runtime}; {describe_preprocess(judged.preprocess)}"


def embed_jpeg(jpeg: bytes) -> str:
    """Return a picture as the address that an `img` tag takes."""
    return _embed("image/jpeg", jpeg)


def embed_png(png: bytes) -> str:
    """Return a picture as the address that an `img` tag takes."""
    return _embed("image/png", png)


def describe_preprocess(preprocess: Preprocess) -> str:
    """Return the contract on one line."""
    mean, std = (" ".join(f"{value:g}" for value in values) for values in (preprocess.mean, preprocess.std))
    return f"{preprocess.color}, (pixel - {mean}) / {std}, {preprocess.resize}"


def _embed(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
