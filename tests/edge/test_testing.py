"""The contract checks notice every promise that is broken."""

import time

import numpy as np
import pytest

from mnv2_edge.frames import Frame
from mnv2_edge.testing import ContractBrokenError, check_sink, check_source
from support.fakes import FilmSource, ListSink


def frame(index, *, pixels=None, color="RGB", captured_ns=None):
    pixels = np.full((4, 4, 3), index, np.uint8) if pixels is None else pixels
    return Frame(pixels, color, index, captured_ns or time.monotonic_ns(), "cam")


class Frames(FilmSource):
    """Give just these frames."""

    def __init__(self, make):
        super().__init__(0)
        self._make = make

    def __iter__(self):
        for given in self._make():
            if self.closed.is_set():
                return
            yield given


def test_good_sources_pass():
    check_source(lambda: FilmSource(10))
    check_source(lambda: FilmSource(3, live=True, endless=True, period_s=0.001))


def one_array():
    pixels = np.zeros((4, 4, 3), np.uint8)
    for index in range(5):
        pixels[...] = index
        yield frame(index, pixels=pixels)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: [frame(0)], "gave 1 frames, 3 were asked for"),
        (lambda: [frame(0), frame(2), frame(1)], "indices must grow"),
        (lambda: [frame(0), frame(1, captured_ns=1), frame(2)], "must not run backwards"),
        (lambda: [frame(i, captured_ns=10**19) for i in range(3)], "of the past"),
        (lambda: [frame(i, color="rgb") for i in range(3)], "expected RGB or BGR"),
        (lambda: [frame(i, pixels=np.zeros((4, 4), np.uint8)) for i in range(3)], r"pixels are \[4, 4\]"),
        (lambda: [frame(i, pixels=np.zeros((4, 4, 3))) for i in range(3)], "expected uint8"),
        (one_array, "share memory"),
    ],
)
def test_a_source_that_breaks_a_promise(make, said):
    with pytest.raises(ContractBrokenError, match=said):
        check_source(lambda: Frames(make))


def test_a_source_that_goes_on_after_close():
    class Unstoppable(FilmSource):
        def close(self):
            pass

    with pytest.raises(ContractBrokenError, match="must end at once"):
        check_source(lambda: Unstoppable(10, period_s=0.3))


def test_a_good_sink_passes():
    check_sink(ListSink)


class Slow(ListSink):
    def publish(self, record):
        time.sleep(0.001)


class SlowToClose(ListSink):
    def close(self):
        time.sleep(1.1)


class Endless(ListSink):
    def wait_backlog(self, at_most, timeout_s):
        time.sleep(0.6)
        return False


class Mute(ListSink):
    def __init__(self):
        super().__init__()
        self.broken = None


class Silent(ListSink):
    def __init__(self):
        super().__init__()
        self.failed = True


class Undecided(ListSink):
    def wait_backlog(self, at_most, timeout_s):
        return None


class Negative(ListSink):
    def __init__(self):
        super().__init__()
        self.dropped = -1


@pytest.mark.parametrize(
    ("sink", "said"),
    [
        (Slow, "publish must only queue"),
        (SlowToClose, "close took"),
        (Endless, "its time was up"),
        (Mute, "broken must be text"),
        (Silent, "must say in broken why"),
        (Undecided, "must return True or False"),
        (Negative, "must not be negative"),
    ],
)
def test_a_sink_that_breaks_a_promise(sink, said):
    with pytest.raises(ContractBrokenError, match=said):
        check_sink(sink)
