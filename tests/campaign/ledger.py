"""Count what was tried and what failed, promise by promise, in a file that an interrupted campaign goes on from."""

import json
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path

_KEPT = 50
"""Failures of one promise that are described; all are counted."""


@dataclass(frozen=True)
class Failure:
    """One case that broke a promise."""

    case: str
    """What to give `--case` to see it again."""
    what: str


@dataclass
class Row:
    """A promise, and what became of it."""

    name: str
    promise: str
    wanted: int
    """How many cases this campaign is to try."""
    tried: int = 0
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)
    skipped: str = ""
    """Why it could not be tried here."""
    figures: dict[str, float] = field(default_factory=dict)
    """The worst that was seen: seconds, MiB."""

    @property
    def held(self) -> bool:
        """Whether everything that was wanted was tried, and nothing failed."""
        return not self.failed and self.tried >= self.wanted


class Ledger:
    """Own the state file; threads may count at the same time."""

    def __init__(self, file: Path, settings: dict[str, object]) -> None:
        self.settings = settings
        self.rows: dict[str, Row] = {}
        self.elapsed_s = 0.0
        """Of the sessions before this one."""
        self.finished = False
        self._file = file
        self._lock = threading.RLock()

    @classmethod
    def resume(cls, file: Path, settings: dict[str, object]) -> "Ledger":
        """Go on from `file` where it is an unfinished campaign with the same settings, else begin anew."""
        ledger = cls(file, settings)
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return ledger
        if kept["settings"] != settings or kept["finished"]:
            return ledger
        ledger.elapsed_s = kept["elapsed_s"]
        for row in kept["rows"]:
            failures = [Failure(**failure) for failure in row.pop("failures")]
            ledger.rows[row["name"]] = Row(**row, failures=failures)
        return ledger

    def row(self, name: str, promise: str, wanted: int) -> Row:
        """Return the row of that name, which is made when it is not there."""
        with self._lock:
            return self.rows.setdefault(name, Row(name, promise, wanted))

    def count(self, row: Row, failures: list[Failure], tried: int = 1, **figures: float) -> None:
        """Count cases and what failed of them; of figures the greatest stays."""
        with self._lock:
            row.tried += tried
            row.failed += len(failures)
            row.failures += failures[: max(0, _KEPT - len(row.failures))]
            for name, value in figures.items():
                row.figures[name] = max(value, row.figures.get(name, value))

    def save(self, elapsed_s: float, *, finished: bool = False) -> None:
        """Write the state, whole or not at all."""
        with self._lock:
            state = {
                "settings": self.settings,
                "finished": finished,
                "elapsed_s": round(elapsed_s, 1),
                "rows": [asdict(row) for row in self.rows.values()],
            }
        beside = self._file.with_suffix(".new")
        self._file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(state, indent=1), encoding="utf-8")
        beside.replace(self._file)
