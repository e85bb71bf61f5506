"""A conversation at a terminal: lines, lists of options, questions."""

import contextlib
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from mnv2_edge.errors import EdgeError
from mnv2_edge.redaction import redact
from mnv2_engines.printable import printable

if TYPE_CHECKING:
    from mnv2_edge.setup.prompts import Mark, Option

__all__ = ["TerminalPrompts", "show_line"]

T = TypeVar("T")

_STYLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "heading": {"bold": True},
    "good": {"fg": "green"},
    "doubt": {"fg": "yellow"},
    "bad": {"fg": "red", "bold": True},
    "command": {"fg": "cyan"},
}
_FRONTS: Final[Mapping[str, str]] = {"good": "ok: ", "doubt": "note: ", "bad": "error: ", "command": "$ "}
_NARROW: Final = 72
"""Columns below which a detail stands under its label."""
_LONGEST_LABEL: Final = 30
_LONGEST_SECRET: Final = 1000


def show_line(text: str, mark: "Mark" = "plain") -> None:
    """Write a line to stdout, folded at words where the terminal is narrower; a heading has an empty line before it."""
    if mark == "heading":
        click.echo()
    front = _FRONTS.get(mark, "")
    if mark == "command" or text.startswith(" ") or not text:  # one piece, so that it can be copied
        click.echo(_styled(f"{front}{text}", mark))
        return
    for line in textwrap.wrap(
        f"{front}{text}", _columns(), subsequent_indent=" " * len(front), break_long_words=False, break_on_hyphens=False
    ):
        click.echo(_styled(line, mark))


class TerminalPrompts:
    """Questions to the user at the terminal, on stdin and stdout."""

    def show(self, text: str, mark: "Mark" = "plain") -> None:
        """Write a line."""
        show_line(text, mark)

    def choose(self, question: str, options: "Sequence[Option[T]]", default: int = 0) -> T:
        """Show the options with a number each; return the value of the one whose number, or name, is typed."""
        for line in _list(options):
            click.echo(line)

        def check(text: str) -> T:
            named = [option for option in options if option.label.casefold() == text.casefold()]
            begun = [option for option in options if option.label.casefold().startswith(text.casefold())]
            for found in (named, begun):
                if len(found) == 1:
                    return found[0].value
            number = int(text) if text.isascii() and text.isdecimal() else 0
            if not 1 <= number <= len(options):
                raise click.UsageError(f"expected a number from 1 to {len(options)}, or the beginning of a name")
            return options[number - 1].value

        return self._prompt(question, check, default=str(default + 1))

    def ask(self, question: str, check: Callable[[str], T], default: str = "") -> T:
        """Return what `check` makes of what is typed."""
        return self._prompt(question, check, default=default)

    def ask_secret(self, question: str) -> str:
        """Return what is typed without showing it; Ctrl-Z does nothing, for after `fg` the terminal would show it."""
        while True:
            with _unstoppable():
                text = str(click.prompt(f"{question} (not shown)", default="", hide_input=True, show_default=False))
            if text.isprintable() and len(text) <= _LONGEST_SECRET:
                return text
            show_line("that holds what no keyboard types: expected one line of printable characters", "bad")

    def confirm(self, question: str, *, default: bool) -> bool:
        """Return yes or no."""
        return click.confirm(question, default=default)

    def recover(self, error: Exception, options: "Sequence[Option[T]]") -> T:
        """Show what went wrong, and ask what to do."""
        for line in str(error).splitlines() or [type(error).__name__]:
            show_line(printable(redact(line)), "bad")
        return self.choose("What now?", options)

    def _prompt(self, question: str, check: Callable[[str], T], default: str) -> T:
        while True:
            text = click.prompt(question, default=default, show_default=bool(default))
            try:
                return check(str(text).strip())
            except click.UsageError as exc:
                show_line(exc.message, "bad")
            except EdgeError as exc:
                show_line(printable(redact(str(exc))), "bad")


@contextlib.contextmanager
def _unstoppable() -> Iterator[None]:
    before = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)


def _list(options: "Sequence[Option[Any]]") -> Iterator[str]:
    """Yield the lines of a numbered list; a detail stands beside its label, or below it on a narrow terminal."""
    labels = [printable(redact(option.label)) for option in options]
    figures = len(str(len(options)))
    width = min(max(map(len, labels)), _LONGEST_LABEL)
    columns = _columns()
    for number, (option, label) in enumerate(zip(options, labels, strict=True), start=1):
        front = f"  {number:>{figures}}  {label}"
        detail = printable(redact(option.detail))
        indent = figures + 4 + (width + 2 if columns >= _NARROW else 2)
        folded = textwrap.wrap(detail, max(20, columns - indent), break_long_words=False, break_on_hyphens=False)
        if folded and columns >= _NARROW and len(label) <= width:
            front = f"{front:<{indent}}{folded.pop(0)}"
        yield front
        yield from (" " * indent + line for line in folded)


def _columns() -> int:
    return max(30, min(shutil.get_terminal_size().columns, 100) - 1)


def _styled(text: str, mark: str) -> str:
    style = _STYLES.get(mark)
    plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return text if style is None or plain else click.style(text, **style)
