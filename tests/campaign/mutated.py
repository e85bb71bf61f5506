"""Have damaged files and streams read by the real commands, thousands of each kind, on every processor."""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from campaign.forks import Order, Outcome
from campaign.formats import FORMATS, LIMIT_MIB, RUN_LIMIT_MIB
from campaign.ledger import Failure, Ledger, Row
from campaign.samples import samples_of

TIMEOUT_S = 10.0
PROMISE = "no crash, no traceback, no hang over 10 s, memory within its limit, nothing written elsewhere"
STATUSES = frozenset({0, 1, 2, 65, 69, 75, 77, 78})
"""What a command may end with whatever it was given; 70 says that the command itself is at fault."""
_BLAMED = ("Traceback (most recent call last)", "Fatal Python error", "(this is a bug", "terminate called", "malloc():")


def judge(outcome: Outcome) -> list[str]:
    """Say what is wrong with one outcome; nothing when it kept the promise."""
    wrong = []
    limit = RUN_LIMIT_MIB if outcome.argv[:1] == ["run"] else LIMIT_MIB
    if not outcome.argv:
        wrong.append(f"the case itself could not be made: {outcome.said[-300:]}")
    elif outcome.hung:
        wrong.append(f"hung: nothing after {outcome.seconds:.0f} s")
    elif outcome.status not in STATUSES:
        wrong.append(f"ended with {outcome.status}")
    elif outcome.status and not outcome.said.strip():
        wrong.append(f"ended with {outcome.status} and said nothing")
    if outcome.rss_mib > limit:
        wrong.append(f"took {outcome.rss_mib:.0f} MiB, {limit} are promised")
    if outcome.outside:
        wrong.append(f"wrote elsewhere: {', '.join(outcome.outside[:5])}")
    if not outcome.hung and any(word in outcome.said for word in _BLAMED):
        wrong.append("traceback or bug told")
    if wrong and outcome.argv:
        wrong.append(f"`mnv2-edge {' '.join(outcome.argv)}` said: {outcome.said[-400:]}")
    return wrong


class ForkServer:
    """Own one process that forks for each case; used by one thread."""

    def __init__(self, samples: Path, boxes: Path, seed: int) -> None:
        self._samples, self._boxes, self._seed = samples, boxes, seed
        self._process: subprocess.Popen[str] | None = None

    def ask(self, kind: str, number: int, timeout_s: float = TIMEOUT_S) -> Outcome:
        """Try one case."""
        if self._process is None:
            tests = str(Path(__file__).parents[1])
            environment = {**os.environ, "PYTHONPATH": tests, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "campaign.forks"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True,
            )  # fmt: skip
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the fork server has no pipes")
        box = self._boxes / f"{kind.replace(' ', '-')}-{number}"
        order = Order(kind, number, self._seed, str(self._samples), str(box), timeout_s)
        stdin.write(json.dumps(asdict(order)) + "\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            self.close()
            raise RuntimeError(f"the fork server ended at case {number} of {kind}")
        return Outcome(**json.loads(answer))

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def attack(
    kind: str,
    ledger: Ledger,
    folder: Path,
    wanted: int,
    seed: int,
    *,
    servers: int,
    until: Callable[[], bool],
    told: Callable[[str], None],
) -> None:
    """Try so many cases of a format, from where an earlier session ended, unless `until` says that time is up."""
    samples = samples_of(FORMATS[kind].prepare, folder / "samples")
    boxes = folder / "boxes"
    shutil.rmtree(boxes / kind.replace(" ", "-"), ignore_errors=True)
    row = ledger.row(f"damaged {kind}", PROMISE, wanted)
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(row.tried, wanted):
        numbers.put(number)
    threads = [
        threading.Thread(
            target=_work, args=(kind, ledger, row, ForkServer(samples, boxes, seed), numbers, folder, until)
        )
        for _ in range(servers)
    ]
    for thread in threads:
        thread.start()
    last = time.monotonic()
    while any(thread.is_alive() for thread in threads):
        threads[0].join(1)
        for thread in threads[1:]:
            thread.join(0.01)
        if time.monotonic() - last > 20:
            told(f"damaged {kind}: {row.tried} of {wanted}, {row.failed} failures")
            last = time.monotonic()


def _work(
    kind: str,
    ledger: Ledger,
    row: Row,
    server: ForkServer,
    numbers: "queue.SimpleQueue[int]",
    folder: Path,
    until: Callable[[], bool],
) -> None:
    try:
        while not until():
            try:
                number = numbers.get_nowait()
            except queue.Empty:
                return
            try:
                outcome = server.ask(kind, number)
            except RuntimeError as exc:
                ledger.count(row, [Failure(f"{kind}:{number}", str(exc))])
                continue
            wrong = judge(outcome)
            failures = [Failure(f"{kind}:{number}", "; ".join(wrong))] if wrong else []
            which = "rss_run_mib" if outcome.argv[:1] == ["run"] else "rss_mib"
            ledger.count(row, failures, seconds=outcome.seconds, **{which: outcome.rss_mib})
    finally:
        server.close()


def show(kind: str, number: int, seed: int, folder: Path) -> Sequence[str]:
    """Try one case again and keep its files in `folder`; return what was wrong."""
    samples = samples_of(FORMATS[kind].prepare, folder / "samples")
    server = ForkServer(samples, folder / "boxes", seed)
    try:
        outcome = server.ask(kind, number)
    finally:
        server.close()
    import random

    kept = folder / "cases" / f"{kind.replace(' ', '-')}-{number}"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    if not FORMATS[kind].waits:
        FORMATS[kind].case(random.Random(f"{seed}/{kind}/{number}"), samples, kept)
    print(f"in {kept}: mnv2-edge {' '.join(outcome.argv)}\n{outcome}")
    return judge(outcome)
