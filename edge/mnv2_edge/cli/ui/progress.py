"""Progress of builds, checks and downloads on a terminal; silent, or a line in the log, anywhere else."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mnv2_engines.building.build import BuildProgress
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mnv2_engines.catalogue.download import Progress

__all__ = ["show_checks", "show_downloads", "show_progress"]

_PHASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "check": "Reading the model",
        "pictures": "Taking pictures",
        "validation": "Taking pictures to verify with",
        "read": "Simplifying the graph",
        "calibrate": "Calibrating",
        "quantise": "Quantising",
        "write": "Writing",
        "build": "Building with TensorRT",
        "layers": "Comparing layers",
        "verify": "Verifying",
        "explain": "Looking for causes",
        "install": "Loading it",
        "engines": "Testing engines",
        "unpack": "Unpacking",
        "store": "Keeping what it was built from",
        "float": "Compiling the float network",
        "evaluate": "Evaluating",
    }
)


@contextmanager
def show_progress() -> Iterator["BuildProgress"]:
    """Yield the callback that a build or an evaluation reports to: a bar a phase on stderr, when that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _phase, _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def show(phase: str, done: int, total: int) -> None:
            if phase not in bars:
                bars[phase] = progress.add_task(_PHASES.get(phase, phase))
            progress.update(bars[phase], completed=done, total=total)

        yield show


@contextmanager
def show_checks() -> Iterator[Callable[[str], None]]:
    """Yield what is called with the name of each check; nothing is shown when stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda _name: None
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield lambda name: status.update(f"looking at {name}")


_log = logging.getLogger(__name__)


@contextmanager
def show_downloads(doing: str = "fetching") -> Iterator["Progress"]:
    """Yield the callback that a pull reports to: a bar a file on stderr, when that is a terminal.

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
    """One message per file: that it is being downloaded, and how large it is."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._said: set[str] = set()

    def __call__(self, name: str, done: int, total: int | None) -> None:
        if name not in self._said:
            self._said.add(name)
            size = "" if total is None else f", {total / (1 << 20):.1f} MiB"
            _log.info("%s %s%s", self._doing, name, size if done == 0 else f"{size}, from byte {done} on")
