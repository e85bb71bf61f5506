"""Tables: with rich on a terminal, as plain aligned text anywhere else."""

import sys
from collections.abc import Mapping, Sequence

import click

from mnv2_engines.printable import printable

__all__ = ["format_table", "print_table"]


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, colors: Mapping[str, str] | None = None
) -> None:
    """Write rows of as many cells as there are columns to stdout.

    `colors` gives the cells that read exactly so a rich style, for example ``{"fail": "bold red"}``; a terminal alone
    shows it. Plain text is never cut or wrapped: it is for `grep` and for bug reports. Cells hold what devices and
    files call themselves: nothing of it steers a terminal.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    if sys.stdout is not None and sys.stdout.isatty():
        _print_rich(columns, rows, colors or {})
        return
    click.echo(format_table(columns, rows))


def format_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the rows as plain aligned text, a line each, below a heading."""
    lines = [tuple(column.upper() for column in columns), *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _print_rich(columns: Sequence[str], rows: Sequence[Sequence[str]], colors: Mapping[str, str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=colors.get(cell, "")) for cell in row))
    Console().print(table)
