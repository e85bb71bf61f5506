"""Read labels from lines and tables."""

import csv
import re
from collections.abc import Sequence
from typing import Final

from mnv2_engines.errors import LabelsError
from mnv2_engines.labels.ids import PLAIN_HINT, Labels, add_id, in_order, is_id

__all__ = ["parse_lines", "parse_table"]

_ID_FIRST: Final = re.compile(r"(?P<id>[0-9]{1,9})(?:\s*[:,;]\s*|\s+)(?P<name>\S.*)")
_ID_LAST: Final = re.compile(r"(?P<name>\S.*?)\s*[:,;]\s*(?P<id>[0-9]{1,9})")
_ID_HEADINGS: Final = frozenset({"id", "index", "idx", "class_id", "class id", "class_index", "number", "label_id"})
_NAME_HEADINGS: Final = frozenset({"name", "label", "labels", "class", "class_name", "class name", "display_name"})


def parse_lines(text: str, source: str) -> Labels:
    """Read a name a line, or an id and a name a line in either order.

    Lines are numbered when all of them are; when most are and some are not the file is broken, not plain.
    """
    lines = [line.strip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if "" in lines:
        raise LabelsError(f"{source}: line {lines.index('') + 1} is empty: every class needs a name")
    for pattern in (_ID_FIRST, _ID_LAST):
        matches = [pattern.fullmatch(line) for line in lines]
        numbered = sum(match is not None for match in matches)
        if 2 * numbered <= len(lines):
            continue
        names: dict[int, str] = {}
        for index, match in enumerate(matches):
            if match is None:
                raise LabelsError(
                    f"{source}: line {index + 1}, {lines[index][:40]!r}, has no id while {numbered} lines have one; "
                    f"{PLAIN_HINT}"
                )
            add_id(names, int(match["id"]), match["name"], source)
        return in_order(names, source)
    return tuple(lines)


def parse_table(text: str, source: str) -> Labels:
    """Read a CSV file: one column of names, or ids and names in either order, with or without a heading."""
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)
    try:
        rows = [row for row in csv.reader(text.split("\n"), delimiter=delimiter, strict=True) if any(row)]
    except csv.Error as exc:
        raise LabelsError(f"{source} is no valid CSV ({exc})") from exc
    if not rows:
        return ()
    heading = [cell.strip().casefold() for cell in rows[0]]
    has_heading = bool(_NAME_HEADINGS.intersection(heading) or _ID_HEADINGS.intersection(heading))
    body = rows[1:] if has_heading else rows
    for index, row in enumerate(body):
        if len(row) != len(rows[0]):
            raise LabelsError(
                f"{source}: record {index + 1 + has_heading} has {len(row)} columns, the first has {len(rows[0])}; "
                "put names that hold a comma in double quotes"
            )
    if len(rows[0]) == 1:
        return tuple(row[0].strip() for row in body)
    id_column, name_column = _columns(heading if has_heading else None, body, source)
    if id_column is None:
        return tuple(row[name_column].strip() for row in body)
    names: dict[int, str] = {}
    for row in body:
        if not is_id(row[id_column].strip()):
            raise LabelsError(f"{source}: {row[id_column][:40]!r} in the column of ids is no number")
        add_id(names, int(row[id_column]), row[name_column].strip(), source)
    return in_order(names, source)


def _columns(heading: Sequence[str] | None, body: Sequence[Sequence[str]], source: str) -> tuple[int | None, int]:
    """Return the column of ids, if there is one, and the column of names."""
    if heading is not None:
        names = [column for column, title in enumerate(heading) if title in _NAME_HEADINGS]
        ids = [column for column, title in enumerate(heading) if title in _ID_HEADINGS]
        if names:
            return (ids[0] if ids else None), names[0]
        if len(ids) == 1 and len(heading) == 2:
            return ids[0], 1 - ids[0]
    elif len(body[0]) == 2:
        numeric = [column for column in (0, 1) if all(is_id(row[column].strip()) for row in body)]
        if numeric:
            return numeric[0], 1 - numeric[0]
    raise LabelsError(f"{source}: which column holds the names? Expected `id,name`, or a heading with `id` and `name`")
