"""Cut the power of a real ext4 while engines are installed on it, again and again.

The file system is told to stop where it is (EXT4_IOC_SHUTDOWN without flushing its log, of Linux' fs/ext4/ioctl.c), so
what was written and never synced is lost. As root, for a loop device.
"""

import fcntl
import os
import random
import selectors
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mnv2_engines.store import Store
from support.system import need_command

SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
WITHOUT_LOG = struct.pack("I", 2)  # EXT4_GOING_FLAGS_NOLOGFLUSH
CUTS = 60

# Install for ever, and say which number is safe. Each engine is 400 kB of its own number.
INSTALL = """
import pathlib, sys
from mnv2_engines.store import Store
store, number = Store(pathlib.Path(sys.argv[1])), int(sys.argv[2])
while True:
    number += 1
    with store.staging("signs") as staging:
        (staging.folder / "engine").write_text(f"{number:08d}" * 50_000)
        (staging.folder / "source").mkdir()
        (staging.folder / "source" / "model").write_text(f"{number:08d}")
        staging.publish()
    print(number, flush=True)
"""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("only root mounts a loop device")
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run([need_command("mkfs.ext4", "e2fsprogs"), "-q", image], check=True)
    return image


@contextmanager
def mounted(image: Path) -> Iterator[Path]:
    place = image.with_name("disk")
    place.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a loop device cannot be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def install_until_cut(place: Path, number: int, seconds: float) -> int:
    """Return the last number that was said to be safe before the power went."""
    command = [sys.executable, "-c", INSTALL, str(place / "some" / "home"), str(number)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        os.set_blocking(process.stdout.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.select(timeout=30)  # Python has started, the first one is installed
        time.sleep(seconds)
        descriptor = os.open(place, os.O_RDONLY)
        fcntl.ioctl(descriptor, SHUTDOWN, WITHOUT_LOG)
        os.close(descriptor)
        said = process.stdout.read() or b""  # what is said from now on may be wrong: nothing of it reaches the disk
        process.kill()
    safe = said.rpartition(b"\n")[0].split()
    return int(safe[-1]) if safe else number


@pytest.mark.acceptance
@pytest.mark.timeout(600)
def test_what_was_installed_survives_and_nothing_is_torn(image: Path) -> None:
    draw = random.Random(8)
    safe = 0
    for cut in range(CUTS):
        with mounted(image) as place:
            safe = install_until_cut(place, safe, draw.uniform(0.0, 0.3))
        with mounted(image) as place:
            store = Store(place / "some" / "home")
            assert store.names() == ("signs",), f"cut {cut}: {safe} was safe"
            assert store.default() == "signs"
            with store.pinned("signs") as version:
                engine = (version.folder / "engine").read_text()
                model = (version.folder / "source" / "model").read_text()
            assert engine == model * 50_000
            assert safe <= int(model) <= safe + 1
            safe = int(model)
            assert store.prune() >= 0
            assert len(list((store.folder / ".versions" / "signs").iterdir())) == 1
            assert list((store.folder / ".staging").iterdir()) == []
    assert safe > CUTS
