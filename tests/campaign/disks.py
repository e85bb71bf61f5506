"""Full, small and read-only disks under every command that writes, and files of the kernel's in the place of a user's.

A small tmpfs in a mount namespace of the command's own is the full disk; the same, mounted anew, the read-only one. EIO
is the kernel's own: `/proc/self/mem` answers a read at 0 with it, so a symbolic link to it is a file on a disk that
fails. Neither needs root.
"""

import itertools
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from campaign.forks import waited_for_processor_s
from campaign.formats import networks, weights
from campaign.ledger import Failure, Ledger, Row
from campaign.mutated import STATUSES
from campaign.samples import samples_of
from support.command import COMMAND, environment
from support.namespaces import with_mounts

PROMISE = "one line and its status, no traceback, no hang, no half-written file taken for a whole one"
SPECIAL_PROMISE = "refused or read within 10 s and 512 MiB"
_ADDRESS_SPACE = 6 << 30
_TIMEOUT_S = 10.0


def fill_disks(
    ledger: Ledger, folder: Path, wanted: int, seed: int, until: Callable[[], bool], told: Callable[[str], None]
) -> None:
    """Run every command that writes on a disk with too little space, or that takes no writing."""
    commands = _writing_commands(folder)
    for kind, mount in (("full", "size={}k"), ("read-only", "size=64k,ro")):
        row = ledger.row(f"disk {kind}", PROMISE, wanted)
        try:
            with_mounts([f"-t tmpfs -o size=1m none {folder}"], ["true"])
        except pytest.skip.Exception as exc:
            row.skipped = str(exc)
            continue
        while row.tried < wanted and not until():
            draw = random.Random(f"{seed}/{kind}/{row.tried}")
            disk = folder / "disk"
            disk.mkdir(exist_ok=True)
            options = mount.format(draw.choice((4, 16, 64, 256, 700, 1500)))
            argv = [str(part).replace("DISK", str(disk)) for part in draw.choice(commands)]
            whole = with_mounts([f"-t tmpfs -o {options} none {disk}"], [*COMMAND, *argv])
            home = disk if draw.random() < 0.5 else folder / "home"
            ledger.count(row, _judged(row, f"disk:{kind}:{options}", argv, *_run(whole, home)))
        told(f"disk {kind}: {row.tried} of {wanted}, {row.failed} failures")


def give_special_files(
    ledger: Ledger, folder: Path, wanted: int, seed: int, until: Callable[[], bool], told: Callable[[str], None]
) -> None:
    """Give every option that takes a file a FIFO, devices, sockets, loops, and a disk that fails."""
    commands = _reading_commands(folder)
    row = ledger.row("special files", SPECIAL_PROMISE, wanted)
    with _specials(folder) as specials:
        cases = list(itertools.product(commands, specials))
        random.Random(seed).shuffle(cases)
        while row.tried < wanted and not until():
            argv, (kind, path) = cases[row.tried % len(cases)]
            given = [str(part).replace("FILE", path) for part in argv]
            ledger.count(row, _judged(row, f"special:{kind}", given, *_run([*COMMAND, *given], folder / "home")))
            if row.tried % 25 == 0:
                told(f"special files: {row.tried} of {wanted}, {row.failed} failures")


def _run(command: list[str], home: Path) -> tuple[int | None, str, float]:
    """Return status (None: hung), what was said, and the peak of memory in MiB."""
    err = home.parent / "err"
    with err.open("w+") as said:
        process = subprocess.Popen(
            ["prlimit", f"--as={_ADDRESS_SPACE}", "--core=0", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=environment(home),
            start_new_session=True,
        )
        deadline = time.monotonic() + _TIMEOUT_S
        peak = 0
        waited_s = 0.0
        while process.poll() is None and time.monotonic() < deadline + waited_s:
            waited_s = waited_for_processor_s(process.pid)
            peak = max(peak, _peak_kib(process.pid))
            time.sleep(0.02)
        hung = process.poll() is None
        if hung:
            os.killpg(process.pid, 9)
        status = process.wait()
        said.seek(0)
        return None if hung else status, said.read()[-2000:], peak / 1024


def _peak_kib(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


def _judged(row: Row, case: str, argv: list[str], status: int | None, said: str, peak_mib: float) -> list[Failure]:
    wrong = []
    if status is None:
        wrong.append(f"hung for {_TIMEOUT_S:.0f} s")
    elif status not in STATUSES:
        wrong.append(f"ended with {status}")
    elif status not in {0, 1} and not said.strip():  # 1: a check failed, which stdout tells
        wrong.append(f"ended with {status} and said nothing")
    if "Traceback" in said or "this is a bug" in said:
        wrong.append("traceback or bug told")
    if peak_mib > (400 if argv[0] == "run" else 512):
        wrong.append(f"took {peak_mib:.0f} MiB")
    row.figures["mib"] = max(peak_mib, row.figures.get("mib", 0))
    return [Failure(case, f"{'; '.join(wrong)}: `mnv2-edge {' '.join(argv)}`: {said[-300:]}")] if wrong else []


def _prepare(folder: Path) -> tuple[Path, Path, Path]:
    """Return networks, weights, and a folder with a configuration and pictures that have a class."""
    networks_, weights_ = (samples_of(one.prepare, folder.parent / "samples") for one in (networks, weights))
    own = folder / "own"
    if not own.is_dir():
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "own.new" / "data" / "0").mkdir(parents=True)
        (folder / "own.new" / "c.yaml").write_text("version: 1\ncameras: [{uri: demo}]\n")
        shutil.copy(networks_ / "picture.png", folder / "own.new" / "data" / "0")
        shutil.copytree(networks_ / "home", folder / "home", symlinks=True)
        (folder / "own.new").replace(own)
    return networks_, weights_, own


def _writing_commands(folder: Path) -> list[list[str]]:
    samples, weight_files, own = _prepare(folder)
    photos = str(samples / "photos")
    return [
        ["build-engine", f"{samples}/tiny.onnx", "--calibration", photos, "--accept-loss", "--output", "DISK/e.tflite"],
        ["build-engine", f"{samples}/tiny.onnx", "--calibration", photos, "--accept-loss", "--name", "other"],
        ["engines", "export", "tiny", "DISK/b.mnv2"],
        ["engines", "import", f"{samples}/tiny.mnv2"],
        ["models", "add", f"{samples}/tiny.onnx", "--name", "net"],
        ["import-weights", f"{weight_files}/w.pth", "-o", "DISK/m.onnx"],
        ["config", "init", "DISK/c.yaml"],
        ["setup", f"{own}/c.yaml", "--output", "DISK/c.yaml", "--yes", "--seconds", "0.2"],
        ["doctor", "--report", "DISK/report.tar.gz"],
        [
            "evaluate",
            "--model",
            f"{samples}/tiny.tflite",
            "--data",
            f"{own}/data",
            "--no-float",
            "--report",
            "DISK/r.html",
        ],
        ["run", "--camera", "demo", "--max-frames", "5", "--save", "DISK/seen", "--format", "none"],
    ]


def _reading_commands(folder: Path) -> list[list[str]]:
    samples, _, own = _prepare(folder)
    photos, model = str(samples / "photos"), f"{samples}/tiny.onnx"
    end = ["--max-frames", "1", "--format", "none"]
    return [
        ["run", "--model", "FILE", "--camera", "demo", *end],
        ["run", "--labels", "FILE", "--camera", "demo", *end],
        ["run", "--camera", "FILE", *end],
        ["run", "--camera", "replay:FILE", *end],
        ["run", "--config", "FILE", *end],
        ["config", "check", "FILE"],
        ["config", "show", "FILE"],
        ["inspect", "FILE"],
        ["build-engine", "FILE", "--calibration", photos, "--name", "x"],
        ["build-engine", model, "--calibration", "FILE", "--name", "x"],
        ["build-engine", model, "--calibration", photos, "--labels", "FILE", "--name", "x"],
        ["engines", "import", "FILE"],
        ["import-weights", "FILE", "-o", f"{folder}/out.onnx", "--force"],
        ["models", "add", "FILE", "--name", "x"],
        ["evaluate", "--model", "FILE", "--data", f"{own}/data"],
        ["evaluate", "--data", "FILE"],
        ["evaluate", "--data", f"{own}/data", "--labels", "FILE"],
        ["doctor", "--config", "FILE"],
    ]


@contextmanager
def _specials(folder: Path) -> Iterator[list[tuple[str, str]]]:
    """Yield what is not a plain file, each also with endings that commands look at."""
    import socket

    box = folder / "special"
    shutil.rmtree(box, ignore_errors=True)
    box.mkdir(parents=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(box / "socket"))
    os.mkfifo(box / "fifo")
    (box / "loop").symlink_to("loop")
    (box / "nowhere").symlink_to("not-there")
    (box / "folder").mkdir()
    (box / "empty").touch()
    with (box / "sparse").open("wb") as sparse:
        sparse.truncate(3 << 30)
    closed = box / "closed"
    closed.write_bytes(b"version: 1\n")
    closed.chmod(0)
    (box / "EIO").symlink_to("/proc/self/mem")
    found = [
        (name, str(box / name))
        for name in ("fifo", "socket", "loop", "nowhere", "folder", "empty", "sparse", "closed", "EIO")
    ]
    found += [
        (name, name) for name in ("/dev/zero", "/dev/random", "/dev/full", "/dev/null", "/proc/kmsg", "/proc/self/maps")
    ]
    for ending in (".tflite", ".onnx", ".pth", ".h5", ".yaml", ".json", ".jpg", ".mp4", ".safetensors"):
        for target in ("fifo", "/dev/zero", "sparse", "EIO"):
            link = box / f"{Path(target).name}{ending}"
            link.symlink_to(target)
            found.append((link.name, str(link)))
    try:
        yield found
    finally:
        listening.close()


if sys.platform != "linux":
    raise ImportError("mount namespaces are Linux's")
