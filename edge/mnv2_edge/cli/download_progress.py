"""Show how far a download is, on a terminal; a line in the log anywhere else."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mnv2_engines.catalogue.download import Progress

__all__ = ["show_downloads"]

_log = logging.getLogger(__name__)


@contextmanager
def show_downloads(doing: str = "fetching") -> Iterator["Progress"]:
    """Give the callback that a pull reports to: a bar a file on stderr, when that is a terminal.

    `doing` is what a line in the log says is done with a file.
    """
    if not sys.stderr.isatty():
        yield _Announcer(doing)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int | None) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name)
            progress.update(bars[name], completed=done, total=total)

        yield show


class _Announcer:
    """Say once that a file is on its way, and how large it is."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._said: set[str] = set()

    def __call__(self, name: str, done: int, total: int | None) -> None:
        if name not in self._said:
            self._said.add(name)
            size = "" if total is None else f", {total / (1 << 20):.1f} MiB"
            _log.info("%s %s%s", self._doing, name, size if done == 0 else f"{size}, from byte {done} on")
