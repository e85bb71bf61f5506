"""Write docs/reliability.md from what was counted."""

import os
import platform
import sys
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from campaign.ledger import Ledger, Row

_PACKAGES = ("numpy", "opencv-python-headless", "ai-edge-litert", "onnx", "paho-mqtt", "h5py")
_UNITS = {"seconds": "s", "rss_mib": "MiB", "rss_run_mib": "MiB (`run`)", "mib": "MiB"}

_HEAD = """\
# Reliability

This page is written by `make campaign`, which attacks the checkout it is in: damaged files and streams, processes and
brokers that are killed, disks that are full, clocks that jump, and a run that is watched for what grows.

| | |
|---|---|
| command | `{command}` |
| seed | {seed} |
| date | {date} |
| took | {took} |
| machine | {machine} |
| software | {software} |

{verdict}

| promise | | tried | failures | worst |
|---|---|---|---|---|
"""

_TAIL = """
## What is tried

* **Damaged files**: good ones after one to four damages (bits, whole numbers at their edges, lengths, cuts, repeats,
  moved pieces, junk; trees with other values; archives with other members), read by the real command, each in a process
  of its own. Checksums are made good again, so that what is behind them is reached. Ends with 70 or by a signal, a
  traceback, more than 10 s, more than 400 MiB resident (`run`) or 512 MiB (every other command), and a file outside of
  the folders that were given all count as failures. The largest process counts, not the sum of several.
* **MJPEG, RTSP**: servers that send damaged streams. After a damaged MJPEG stream a good one follows, and the run has
  to find it within the 10 s.
* **Kills**: SIGKILL at a random moment of the command's life, then store and files are looked at; after every tenth
  kill, and at the end, the same command has to succeed.
* **Brokers**: a real mosquitto with `every: frame`. What stdout has and no subscriber got has to be counted.
* **Disks**: a small or read-only tmpfs in a mount namespace. EIO is what `/proc/self/mem` answers. A disk that fails
  while it is written to is not tried.
* **Soak**: four MJPEG cameras and `every: frame`. The first quarter of the time is left out, and the 95 % interval of
  the slope (Theil-Sen; widened for autocorrelation) may not lie above 0.

`make campaign MINUTES=5` is a taste, which proves nothing. An interrupted campaign goes on where it was when it is
started again with the same arguments. `{again} --case 'JPEG:17' --seed {seed}` tries one case again and
keeps its files.
"""


def write(ledger: Ledger, page: Path, *, command: str, soak: str) -> None:
    """Write the page; `soak` is its paragraph with the plot."""
    rows = list(ledger.rows.values())
    failed, missed = sum(row.failed for row in rows), [row for row in rows if row.tried < row.wanted]
    verdict = f"**{sum(row.tried for row in rows):,} cases, {failed:,} failures.**"
    if missed:
        verdict += " Not everything was tried: " + "; ".join(_missed(row) for row in missed) + "."
    text = _HEAD.format(
        command=command,
        seed=ledger.settings["seed"],
        date=datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        took=f"{ledger.elapsed_s / 60:.0f} min",
        machine=_machine(),
        software=_software(),
        verdict=verdict,
    )
    text += "".join(_line(row) for row in rows) + "\n" + soak
    text += _failures(rows)
    text += _TAIL.format(again="PYTHONPATH=tests .venv/bin/python -m campaign", seed=ledger.settings["seed"])
    page.write_text(text, encoding="utf-8")


def _missed(row: Row) -> str:
    return f"{row.name} {row.tried} of {row.wanted}" + (f" ({row.skipped})" if row.skipped else "")


def _line(row: Row) -> str:
    worst = ", ".join(f"{value:.1f} {_UNITS.get(name, name)}" for name, value in row.figures.items())
    return f"| {row.name} | {row.promise} | {row.tried:,} | {row.failed:,} | {worst} |\n"


def _failures(rows: list[Row]) -> str:
    bad = [row for row in rows if row.failures]
    if not bad:
        return ""
    lines = [f"* {row.name}, `{one.case}`: {_one_line(one.what)}" for row in bad for one in row.failures[:5]]
    return "\n## What failed\n\n" + "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300].replace("|", "\\|").replace("<", "&lt;").replace(str(Path.cwd()), ".")


def _machine() -> str:
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{platform.machine()}, {os.cpu_count()} processors ({model}), {memory:.0f} GiB, Linux {platform.release()}"


def _software() -> str:
    found = [f"{name} {_version(name)}" for name in _PACKAGES if _version(name)]
    return f"Python {sys.version.split()[0]}, {', '.join(found)}"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
