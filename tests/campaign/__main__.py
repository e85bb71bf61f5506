"""`python -m campaign`: try to break every promise for so many minutes, and write down what came of it."""

import argparse
import contextlib
import math
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pytest

from campaign import brokers, clocks, curves, disks, document, kills, mutated, overload
from campaign.formats import FORMATS
from campaign.ledger import Failure, Ledger
from campaign.soak import Soaked, soak

ROOT = Path(__file__).resolve().parents[2]
HOUR = {
    "damaged": 3000,
    "kills": 100,
    "brokers": 100,
    "lies": 100,
    "disks": 150,
    "specials": 900,
    "clocks": 100,
    "overload": 40,
}
"""How many cases a full hour tries: files a format, kills a command, disturbances a kind, disks a kind."""
LATEST = 2.0
"""Times the minutes that were asked for, after which no case is begun any more."""
SOAK_PROMISE = "with four cameras and `every: frame` neither memory nor open files nor threads grow"
_SAVE_EVERY_S = 10.0


def main() -> int:
    """Run what was asked for; 1 when a promise was broken or not tried as often as it has to be."""
    asked = _arguments()
    folder = ROOT / ".campaign"
    folder.mkdir(exist_ok=True)
    if asked.case:
        kind, _, number = asked.case.rpartition(":")
        wrong = mutated.show(kind, int(number), asked.seed, folder)
        print("\n".join(wrong) or "kept the promise")
        return bool(wrong)
    settings = {"minutes": asked.minutes, "seed": asked.seed, "only": sorted(asked.only)}
    ledger = Ledger.resume(folder / "state.json", settings)
    print(
        f"seed {asked.seed}, {asked.minutes:g} minutes"
        + (f", going on after {ledger.elapsed_s:.0f} s" if ledger.elapsed_s else "")
    )
    signal.signal(signal.SIGTERM, _interrupt)
    campaign = Campaign(ledger, folder, asked.minutes, asked.seed, set(asked.only))
    campaign.run()
    rows = ledger.rows.values()
    for row in rows:
        print(f"{row.name:28} {row.tried:6} of {row.wanted:6} tried, {row.failed:5} failures {row.skipped}")
        for failure in row.failures[:3]:
            print(f"    {failure.case}: {' '.join(failure.what.split())[:400]}")
    if asked.write:
        command = f"make {'soak' if asked.only == ['soak'] else 'campaign'}" + (
            f" MINUTES={asked.minutes:g}" if asked.minutes != 60 else ""
        )
        document.write(ledger, ROOT / "docs" / "reliability.md", command=command, soak=campaign.soak_text())
        if campaign.soaked:
            (ROOT / "docs" / "images" / "soak.svg").write_text(curves.draw(campaign.soaked), encoding="utf-8")
    return not all(row.held for row in rows)


class Campaign:
    """What is to be tried, on lanes beside each other."""

    def __init__(self, ledger: Ledger, folder: Path, minutes: float, seed: int, only: set[str]) -> None:
        self.soaked: Soaked | None = None
        self._ledger, self._folder, self._minutes, self._seed, self._only = ledger, folder, minutes, seed, only
        self._began = time.monotonic()
        self._before_s = ledger.elapsed_s
        self._errors: list[str] = []

    def run(self) -> None:
        """Do it all; what stopped a family is a failure of its own."""
        lanes = [
            threading.Thread(target=lane) for lane in (self._damage, self._disturb, self._wait_and_see, self._soak)
        ]
        for lane in lanes:
            lane.start()
        try:
            while any(lane.is_alive() for lane in lanes):
                lanes[0].join(_SAVE_EVERY_S)
                time.sleep(0.2)
                self._ledger.save(self._elapsed_s())
        except KeyboardInterrupt:
            self._ledger.save(self._elapsed_s())
            print("interrupted: the same command goes on from here")
            end_descendants(os.getpid())
            os._exit(130)
        self._ledger.elapsed_s = self._elapsed_s()
        self._ledger.save(self._elapsed_s(), finished=True)

    def soak_text(self) -> str:
        """Return the paragraph about the soak, with its plot."""
        if self.soaked is None:
            return ""
        found = self.soaked
        slopes = "; ".join(
            f"{name} {slope.value:+.1f} an hour ({slope.low:+.1f} to {slope.high:+.1f})"
            for name, slope in (("RSS in KiB", found.rss), ("open files", found.fds), ("threads", found.threads))
        )
        return (
            f"\n## Soak\n\n{found.samples[-1].seconds / 60:.0f} minutes, {found.results:,} results over MQTT; "
            f"slopes with their 95 % intervals: {slopes}.\n\n"
            "![RSS, open files and threads over time](images/soak.svg)\n"
        )

    def _elapsed_s(self) -> float:
        return self._before_s + time.monotonic() - self._began

    def _late(self) -> bool:
        return self._elapsed_s() > LATEST * 60 * self._minutes

    def _wanted(self, family: str) -> int:
        return max(1, math.ceil(HOUR[family] * min(1.0, self._minutes / 60)))

    def _told(self, line: str) -> None:
        print(f"{self._elapsed_s() / 60:6.1f} min  {line}", flush=True)

    def _chosen(self, family: str) -> bool:
        return not self._only or family in self._only

    def _damage(self) -> None:
        if not self._chosen("damaged"):
            return
        processors = os.cpu_count() or 1
        for kind, entry in FORMATS.items():
            attack = partial(
                mutated.attack,
                kind,
                self._ledger,
                self._folder,
                self._wanted("damaged"),
                self._seed,
                servers=6 * processors if entry.waits else processors,
                until=self._late,
                told=self._told,
            )
            self._guarded(f"damaged {kind}", attack)

    def _disturb(self) -> None:
        """Do what keeps a processor busy."""
        self._one_by_one({"kills": kills.kill_all, "disks": disks.fill_disks, "specials": disks.give_special_files})

    def _wait_and_see(self) -> None:
        """Do what mostly waits."""
        self._one_by_one(
            {"brokers": brokers.disturb, "lies": brokers.lie, "clocks": clocks.jump, "overload": overload.overload}
        )

    def _one_by_one(self, families: dict[str, Callable[..., None]]) -> None:
        for family, work in families.items():
            if not self._chosen(family):
                continue
            arguments = (self._ledger, self._folder / family, self._wanted(family), self._seed, self._late, self._told)
            self._guarded(family, partial(work, *arguments))

    def _soak(self) -> None:
        if self._chosen("soak"):
            self._guarded("soak", self._soak_once)

    def _soak_once(self) -> None:
        row = self._ledger.row("soak", SOAK_PROMISE, 1)
        row.tried = row.failed = 0  # half a soak is none: it begins anew
        row.failures.clear()
        self.soaked = soak(self._folder / "soak", self._minutes, self._told)
        wrong = self.soaked.grows()
        if self.soaked.status != 0:
            wrong.append(f"the run ended with {self.soaked.status}")
        self._ledger.count(row, [Failure("soak", "; ".join(wrong))] if wrong else [])
        (self._folder / "soak" / "soaked.json").write_text(str(asdict(self.soaked)), encoding="utf-8")

    def _guarded(self, name: str, work: Callable[[], object]) -> None:
        try:
            work()
        except pytest.skip.Exception as exc:
            self._ledger.row(name, "", 1).skipped = str(exc)
        except Exception as exc:  # noqa: BLE001 - the top of a thread: a family that cannot go on is a failure
            row = self._ledger.row(name, "", 1)
            self._ledger.count(
                row, [Failure(name, f"the campaign could not go on: {type(exc).__name__}: {exc}")], tried=0
            )
            self._told(f"{name}: {type(exc).__name__}: {exc}")


def end_descendants(pid: int) -> None:
    """Kill whom a process has started, and whom they have."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            children = [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
        for child in children:
            with contextlib.suppress(OSError):
                end_descendants(child)
                os.kill(child, signal.SIGKILL)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="campaign", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument(
        "--only", action="append", default=[], choices=[*HOUR, "soak"], help="this family; may be repeated"
    )
    parser.add_argument("--case", help="try one damaged file again: FORMAT:NUMBER")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md and docs/images/soak.svg")
    return parser.parse_args()


if __name__ == "__main__":
    random.seed(0)
    sys.exit(main())
