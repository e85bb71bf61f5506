"""Hold against leaks: file descriptors, threads and memory over many cycles."""

import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path

WARM_UP = 20
RSS_SLACK_KIB = 4096
"""What the allocator may keep over 500 cycles; 8 KiB a cycle would show, a picture of 640x480 is 900 KiB."""


def check_flat(cycle: Callable[[], object], cycles: int = 500, warm_up: int = WARM_UP) -> None:
    """Run `cycle` so often, after a few to warm up; then nothing may have grown."""
    for _ in range(warm_up):
        cycle()
    fds, threads, rss = _measure()
    for _ in range(cycles):
        cycle()
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline and (_fds() > fds or threading.active_count() > threads):
        time.sleep(0.05)  # the other end of a connection ends in its own time
    fds_after, threads_after, rss_after = _measure()
    assert fds_after <= fds, f"{fds_after - fds} file descriptors left open in {cycles} cycles"
    assert threads_after <= threads, f"{threads_after - threads} threads left in {cycles} cycles"
    assert rss_after - rss <= RSS_SLACK_KIB, f"{rss_after - rss} KiB more in {cycles} cycles"


def _measure() -> tuple[int, int, int]:
    gc.collect()
    status = Path("/proc/self/status").read_text()
    rss = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return _fds(), threading.active_count(), rss


def _fds() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
