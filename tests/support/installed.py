"""What the tests of the service share: an instance, a task with faults, a bundle whose version never gets ready."""

import hashlib
import re
import shutil
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from support.booted import Booted

INSTALL_S = 300

DEMO = "{uri: 'demo?fps=20&size=320x240', id: door}"
MQTT = "[{mqtt: {uri: 'mqtt://localhost'}}]"

FAULTY_TASK = """
import os, time
from pathlib import Path
from mnv2_engines.tasks.classify import make_classify

class Faulty:
    # Classify, until a file names this process: then never return, as a driver that is stuck does, or eat memory.

    def __init__(self, options):
        slow = Path("/run/slow-opening")
        time.sleep(float(slow.read_text()) if slow.exists() else 0.0)
        self._task = make_classify(options)
        self.name = self._task.name

    def decode(self, outputs, view):
        file = Path("/run/fault")
        fault, _, pid = file.read_text().partition(" ") if file.exists() else ("", "", "")
        if pid == str(os.getpid()):
            eaten = bytearray(600 << 20) if fault == "eat" else b""
            time.sleep(3600)
        return self._task.decode(outputs, view)
"""


def config(camera: str = DEMO, *, sinks: str = "[]", more: str = "") -> str:
    """Return a configuration of one camera."""
    return f"version: 1\ncameras: [{camera}]\nsinks: {sinks}\n{more}"


class Instance:
    """An instance of the service on the machine."""

    def __init__(self, machine: Booted, name: str) -> None:
        self.machine = machine
        self.name = name
        self.unit = f"mnv2-edge@{name}.service"

    def configure(self, text: str) -> None:
        self.machine.write(f"/etc/mnv2-edge/{self.name}.yaml", text)

    def get(self, prop: str) -> str:
        return self.machine.show(self.unit, prop)[prop]

    @property
    def pid(self) -> int:
        return int(self.get("MainPID"))

    @property
    def status(self) -> str:
        return self.get("StatusText")

    @property
    def active(self) -> bool:
        return self.get("ActiveState") == "active"

    @property
    def restarts(self) -> int:
        return int(self.get("NRestarts"))

    @property
    def log(self) -> str:
        return self.machine.run("journalctl", f"--unit={self.unit}", "--no-pager", "--output=cat").stdout

    def start(self) -> float:
        """Start it; return the seconds until it was ready."""
        self.machine.run("systemctl", "start", "--no-block", self.unit)
        return self.machine.wait_for(lambda: self.active, period_s=0.05)

    def wait_for_another(self, pid: int, timeout_s: float = 60) -> float:
        """Wait until another process is ready; return the seconds."""

        def there() -> bool:
            shown = self.machine.show(self.unit, "ActiveState", "MainPID")
            return shown["ActiveState"] == "active" and shown["MainPID"] not in ("0", str(pid))

        return self.machine.wait_for(there, timeout_s, period_s=0.05)

    def wait_for_status(self, pattern: str, timeout_s: float = 60) -> None:
        """Wait until the status text matches."""
        self.machine.wait_for(lambda: re.search(pattern, self.status) is not None, timeout_s)


def all_files(machine: Booted) -> set[str]:
    """Return the path of every file, but of what the system itself writes while it runs."""
    own = (
        "/proc",
        "/sys",
        "/dev",
        "/run",
        "/tmp",
        "/shared",
        "/var/log",
        "/var/tmp",
        "/var/lib/systemd",
        "/var/lib/mosquitto",
    )
    prune = [word for path in own for word in ("-path", path, "-prune", "-o")]
    return set(machine.run("find", "/", *prune, "-print").stdout.splitlines())


def make_broken_bundle(bundle: Path, target: Path) -> None:
    """Write a bundle of version 99.0, which runs in a terminal, and under a manager never says that it is ready."""
    never = (b"self._notifier.send(READY=1", b"self._notifier.send(UNREADY=1")
    make_other_bundle(bundle, target, "99.0", {"mnv2_edge/service/run_status.py": never})


def make_other_bundle(
    bundle: Path, target: Path, version: str | None, changes: Mapping[str, tuple[bytes, bytes]]
) -> None:
    """Write a bundle whose wheel of ours has another version, or the same for None, and files with another text."""
    folder = target.parent / "other"
    with tarfile.open(bundle) as tar:
        tar.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    (wheel,) = top.glob("wheels/mnv2_edge-*.whl")
    old = wheel.name.split("-")[1]
    new = version or old
    changed = wheel.with_name(wheel.name.replace(old, new, 1) + ".changed")
    with zipfile.ZipFile(wheel) as before, zipfile.ZipFile(changed, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name in changes:
                was, becomes = changes[name]
                assert was in content
                content = content.replace(was, becomes)
            if name.endswith(("METADATA", "RECORD")):
                content = content.replace(old.encode(), new.encode())
            after.writestr(name.replace(f"mnv2_edge-{old}", f"mnv2_edge-{new}"), content)
    wheel.unlink()
    changed.rename(changed.with_suffix(""))
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(top)}\n"
        for path in sorted(top.rglob("*"))
        if path.is_file() and path.name != "SHA256SUMS"
    ]
    (top / "SHA256SUMS").write_text("".join(sums))
    with tarfile.open(target, "w") as tar:
        tar.add(top, arcname=top.name)
    shutil.rmtree(folder)
