"""Time stamps, and the kernel's word on whether they can be trusted."""

import ctypes
import re
import subprocess
import time
from datetime import datetime, timedelta, timezone

import pytest

from mnv2_edge.host import clock as module
from mnv2_edge.host.clock import Clock, boot_id, clock_synced, stamp

SECOND = 1_000_000_000


def test_a_stamp_names_the_moment_at_which_the_monotonic_clock_showed_that():
    now = datetime.now(timezone.utc)
    made = stamp(time.monotonic_ns() - 90 * SECOND, "boot", synced=True)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", made.time)
    then = datetime.fromisoformat(made.time.replace("Z", "+00:00"))
    assert abs(then - (now - timedelta(seconds=90))) < timedelta(seconds=1)
    assert (made.boot_id, made.clock_synced) == ("boot", True)


def test_stamps_keep_the_monotonic_clock_exactly():
    assert stamp(123_456_789_012_345, "", synced=False).monotonic_ns == 123_456_789_012_345


def test_the_wall_clock_may_jump_and_intervals_stay_right(monkeypatch):
    captured = time.monotonic_ns()
    monkeypatch.setattr(time, "time", lambda: 0.0)  # a Pi without a real-time clock, before NTP
    early = stamp(captured, "", synced=False)
    monkeypatch.setattr(time, "time", lambda: 1.8e9)
    late = stamp(captured + SECOND, "", synced=True)
    assert early.time.startswith("19")
    assert late.time.startswith("2027")
    assert late.monotonic_ns - early.monotonic_ns == SECOND


def test_the_id_of_this_boot_is_the_kernels():
    assert (
        boot_id()
        == subprocess.run(
            ["cat", "/proc/sys/kernel/random/boot_id"], capture_output=True, text=True, check=True
        ).stdout.strip()
    )


def test_without_proc_there_is_no_boot_id(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BOOT_ID", tmp_path / "none")
    assert boot_id() == ""


@pytest.mark.parametrize(("state", "synced"), [(0, True), (1, True), (4, True), (5, False), (-1, False)])
def test_what_adjtimex_says(monkeypatch, state, synced):
    class Libc:
        @staticmethod
        def adjtimex(request):
            assert not any(request.raw), "zeros ask and set nothing"
            assert len(request) >= 208
            return state

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Libc)
    assert clock_synced() is synced


def test_a_libc_without_adjtimex_is_never_synced(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert clock_synced() is False


def test_the_real_kernel_answers():
    assert clock_synced() in (True, False)


def test_the_kernel_is_asked_now_and_then_and_not_for_every_frame(monkeypatch):
    now = [SECOND]
    asked = []
    monkeypatch.setattr(time, "monotonic_ns", lambda: now[0])
    monkeypatch.setattr(module, "clock_synced", lambda: asked.append(now[0]) or len(asked) > 1)
    clock = Clock()
    states = []
    for _ in range(30):
        states.append(clock.stamp(now[0]).clock_synced)
        now[0] += SECOND
    assert len(asked) == 3
    assert states[:11] == [False] * 11
    assert all(states[11:])
