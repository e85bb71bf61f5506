"""Progress of a TensorRT build, and how Ctrl-C and SIGTERM end it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Final, TypeAlias

__all__ = ["PercentDone", "catch_interrupts", "make_monitor"]

PercentDone: TypeAlias = Callable[[int], None]
"""Called with 0 to 100, each time with more than before."""

_ALL: Final = 100


@dataclass(slots=True)
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class _Phases:
    """Sum of nested phases: progress of the inner ones counts within a step of the outer one."""

    def __init__(self, report: PercentDone) -> None:
        self._report = report
        self._open: dict[str, _Phase] = {}
        self._last = -1

    def start(self, name: str, parent: str | None, steps: int) -> None:
        self._open[name] = _Phase(parent, max(1, steps))

    def step(self, name: str) -> None:
        phase = self._open.get(name)
        if phase is not None:
            phase.done = min(phase.steps, phase.done + 1)
        root = next((name for name, phase in self._open.items() if phase.parent is None), "")
        self._tell(int(_ALL * self._share(root)))

    def finish(self, name: str) -> None:
        self._open.pop(name, None)
        if not self._open:
            self._tell(_ALL)

    def _tell(self, percent: int) -> None:
        if percent > self._last:
            self._last = percent
            self._report(percent)

    def _share(self, name: str) -> float:
        phase = self._open.get(name)
        if phase is None:
            return 0.0
        inner = max((self._share(other) for other, it in self._open.items() if it.parent == name), default=0.0)
        return min(1.0, (phase.done + inner) / phase.steps)


def make_monitor(trt: ModuleType, report: PercentDone, interrupted: Callable[[], bool]) -> object:
    """Return an `IProgressMonitor` of the module `trt` (8.6 has none: ask first).

    The build ends early, with nothing built, once `interrupted` says so. `report` must not raise: TensorRT would print
    the exception to stderr and go on.
    """
    phases = _Phases(report)

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc,name-defined]  # the module is known when the program runs
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)  # pybind11 refuses an object whose own constructor was not called

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            phases.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            del step
            phases.step(phase_name)
            return not interrupted()

        def phase_finish(self, phase_name: str) -> None:
            phases.finish(phase_name)

    return Monitor()


@contextmanager
def catch_interrupts() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C sets, and SIGTERM where the program handles it; the program's handler is called then.

    Handlers of Python's raise in whatever Python code runs next. Here that is a callback of TensorRT's, which prints
    the exception and goes on. A second signal ends the process at once. Raises KeyboardInterrupt at the end when the
    handler has raised nothing: what was interrupted is not to be gone on with. Only the main thread gets signals: in
    another one the event is never set.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    caught: list[int] = []

    def note(number: int, _frame: object) -> None:
        caught.append(number)
        interrupted.set()
        for each in handlers:
            signal.signal(each, signal.SIG_DFL)

    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in found.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, note)
    try:
        yield interrupted
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if caught:
        handlers[signal.Signals(caught[0])](caught[0], None)
        raise KeyboardInterrupt
