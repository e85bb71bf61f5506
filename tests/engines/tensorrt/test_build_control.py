import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from mnv2_engines.tensorrt.build_control import catch_interrupts

SECOND = """
import os, signal
from mnv2_engines.tensorrt.build_control import catch_interrupts
with catch_interrupts() as interrupted:
    os.kill(os.getpid(), signal.SIGINT)
    assert interrupted.wait(10)
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()
"""


@contextmanager
def handling(number, handler):
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def be_interrupted(number, seen):
    with catch_interrupts() as interrupted:
        os.kill(os.getpid(), number)
        seen.append(interrupted.wait(10))


def test_nothing_is_raised_inside_and_keyboard_interrupt_behind():
    seen = []
    with pytest.raises(KeyboardInterrupt):
        be_interrupted(signal.SIGINT, seen)
    assert seen == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_program_s_own_handler_hears_of_it():
    class StoppedError(Exception):
        pass

    def stop(number, _frame):
        raise StoppedError(number)

    with handling(signal.SIGTERM, stop):
        with pytest.raises(StoppedError, match="15"):
            be_interrupted(signal.SIGTERM, [])
        assert signal.getsignal(signal.SIGTERM) is stop


def test_what_was_interrupted_does_not_go_on_where_the_handler_only_takes_note():
    noted = []
    with handling(signal.SIGTERM, lambda number, _frame: noted.append(number)), pytest.raises(KeyboardInterrupt):
        be_interrupted(signal.SIGTERM, [])
    assert noted == [signal.SIGTERM]


def test_sigterm_goes_on_to_kill_where_nobody_handles_it():
    with handling(signal.SIGTERM, signal.SIG_DFL), catch_interrupts():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_second_one_ends_the_process():
    done = subprocess.run([sys.executable, "-c", SECOND], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_another_thread_gets_no_signals():
    seen = []

    def work():
        with catch_interrupts() as interrupted:
            seen.append(interrupted.is_set())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert seen == [False]


def test_without_a_signal_nothing_happens():
    with catch_interrupts() as interrupted:
        pass
    assert not interrupted.is_set()
