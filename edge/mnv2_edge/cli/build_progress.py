"""Show how far a build or an evaluation is, on a terminal; say nothing anywhere else."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mnv2_engines.build import BuildProgress

__all__ = ["show_progress"]

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
    """Give the callback that a build or an evaluation reports to: a bar a phase on stderr, when that is a terminal."""
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
