"""Run threads one at a time and choose who goes on at every step, so that a race happens each time or never."""

import random
import threading
from collections.abc import Callable
from typing import Any


class DeadlockError(AssertionError):
    """Nobody can go on, and not all have ended."""


class _Task:
    def __init__(self, name: str, work: Callable[[], object], scheduler: "Scheduler") -> None:
        self.name = name
        self.baton = threading.Semaphore(0)
        self.may_go_on: Callable[[], bool] = lambda: True
        self.ended = False
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._main, args=(work, scheduler), daemon=True)

    def _main(self, work: Callable[[], object], scheduler: "Scheduler") -> None:
        self.baton.acquire()
        try:
            work()
        except BaseException as exc:  # noqa: BLE001 - the scheduler raises it
            self.error = exc
        self.ended = True
        scheduler.baton.release()


class Scheduler:
    """Own tasks, of which one runs at a time; it runs until it calls `step` or waits for something."""

    def __init__(self, seed: int) -> None:
        self.baton = threading.Semaphore(0)
        self._random = random.Random(seed)
        self._tasks: list[_Task] = []
        self._running: _Task | None = None

    def spawn(self, name: str, work: Callable[[], object]) -> None:
        self._tasks.append(_Task(name, work, self))
        self._tasks[-1].thread.start()

    def run(self) -> None:
        """Go on until all have ended. Raises what a task raised, and DeadlockError."""
        while left := [task for task in self._tasks if not task.ended]:
            ready = [task for task in left if task.may_go_on()]
            if not ready:
                raise DeadlockError(", ".join(task.name for task in left))
            self._running = self._random.choice(ready)
            self._running.baton.release()
            self.baton.acquire()
            if self._running.error is not None:
                raise self._running.error
        self._running = None

    def step(self, may_go_on: Callable[[], bool] = lambda: True) -> None:
        """Let any other task go on first; come back when it is this one's turn and `may_go_on`. Nothing outside."""
        task = self._running
        if task is None or task.thread is not threading.current_thread():
            return
        task.may_go_on = may_go_on
        self.baton.release()
        task.baton.acquire()

    def condition(self) -> "SteppedCondition":
        return SteppedCondition(self)


class SteppedCondition:
    """Stand for `threading.Condition`: every entry, exit and wait is a step, and whoever is not notified sleeps on."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._owner: threading.Thread | None = None
        self._depth = 0
        self._notified = 0

    def __enter__(self) -> "SteppedCondition":  # noqa: PYI034 - Self is of Python 3.11
        me = threading.current_thread()
        if self._owner is not me:
            self._scheduler.step(lambda: self._owner is None)
            assert self._owner is None
            self._owner = me
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None
            self._scheduler.step()

    def wait_for(self, holds: Callable[[], Any], timeout: float | None = None) -> Any:
        assert timeout is None
        while not (result := holds()):
            depth, seen = self._depth, self._notified
            self._owner, self._depth = None, 0
            self._scheduler.step(lambda seen=seen: self._notified != seen and self._owner is None)
            self._owner, self._depth = threading.current_thread(), depth
        return result

    def notify_all(self) -> None:
        assert self._owner is threading.current_thread()
        self._notified += 1
