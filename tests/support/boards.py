"""Boards as recordings: what the kernel's files hold, and what commands answer."""

from pathlib import Path
from typing import Any

import yaml

from mnv2_edge.doctor import Machine
from mnv2_edge.doctor.probe import Probe
from mnv2_edge.host.storage import DiskUsage

RECORDINGS = Path(__file__).parents[1] / "edge/doctor/data/boards"


def record(name: str) -> dict[str, Any]:
    return yaml.safe_load((RECORDINGS / f"{name}.yaml").read_text())


def write_files(root: Path, files: dict[str, str]) -> Path:
    """Write files of a recording, or more of them, below `root`."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def make_machine(root: Path, commands: dict[str, str] | None = None, **changes: Any) -> Machine:
    """Return a machine whose kernel says what is below `root`, and on which nothing else is amiss."""
    known = commands or {}

    def answer(program: str, *arguments: str, **_limits: float) -> Probe:
        line = " ".join((program, *arguments))
        found = next((text for start, text in known.items() if line.startswith(start)), None)
        return (
            Probe("", f"{program} cannot be started: No such file or directory") if found is None else Probe(found, "")
        )

    settings: dict[str, Any] = {
        "python": (3, 11, 2),
        "distributions": {"numpy": "1.26.4"},
        "requirements": (),
        "plugins": (),
        "engine": root / "demo.tflite",
        "home": Path("/var/lib/mnv2-edge"),
        "run_python": lambda *_, **__: Probe("", "no Python here"),
        "run_command": answer,
        "root": root,
        "list_cameras": tuple,
        "may_open": lambda _path: True,
        "brokers": (),
        "log_in": lambda _login: None,
        "prefix": root / "opt/venv",
        "arch": "aarch64",
        "bits": 64,
        "uid": 1000,
        "usage": lambda _folder: DiskUsage(1, 5 << 30, 100_000),
        "clock_synced": lambda: True,
    }
    return Machine(**(settings | changes))


def board(name: str, root: Path, **changes: Any) -> Machine:
    """Return a machine that is one of the recordings."""
    recording = record(name)
    return make_machine(write_files(root, recording["files"]), recording["commands"], **changes)
