"""Make good files once, for every family that damages or reads them."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from support.command import call

_LOCK = threading.Lock()
PATIENCE_S = 300.0
"""What a command may take that is not a case itself: the machine may have a lot to do."""


def samples_of(prepare: Callable[[Path], None], folder: Path) -> Path:
    """Return the folder with what `prepare` writes, and with a cache in which the demo engine is known to load."""
    samples = folder / prepare.__module__.rpartition(".")[2]
    with _LOCK:
        if samples.is_dir():
            return samples
        beside = samples.with_suffix(".new")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        prepare(beside)
        done = call("run", "--camera", "demo", "--max-frames", "1", home=beside / "cache", timeout_s=PATIENCE_S)
        if done.returncode:
            raise RuntimeError(f"the demo does not run: {done.stderr}")
        beside.replace(samples)
    return samples
