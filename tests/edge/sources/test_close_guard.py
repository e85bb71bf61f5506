import threading
import time

from mnv2_edge.sources.close_guard import CloseGuard


def test_it_frees_at_once_when_nobody_reads_and_only_once() -> None:
    freed: list[int] = []
    guard = CloseGuard(lambda: freed.append(1))
    guard.close()
    guard.close()
    assert freed == [1]
    with guard.reading() as open_still:
        assert not open_still
    assert freed == [1]


def test_it_never_frees_under_a_read() -> None:
    reading, go_on = threading.Event(), threading.Event()
    freed_while_reading: list[bool] = []
    busy = [False]
    guard = CloseGuard(lambda: freed_while_reading.append(busy[0]))

    def read() -> None:
        with guard.reading() as open_still:
            assert open_still
            busy[0] = True
            reading.set()
            go_on.wait(5)
            busy[0] = False

    thread = threading.Thread(target=read)
    thread.start()
    reading.wait(5)
    began = time.monotonic()
    guard.close()
    assert time.monotonic() - began < 0.1
    assert guard.closed
    assert freed_while_reading == []
    go_on.set()
    thread.join(5)
    assert freed_while_reading == [False]


def test_an_error_of_the_read_does_not_keep_it_open() -> None:
    freed: list[int] = []
    guard = CloseGuard(lambda: freed.append(1))
    try:
        with guard.reading():
            guard.close()
            raise OSError
    except OSError:
        pass
    assert freed == [1]


def test_closing_wakes_who_waits() -> None:
    guard = CloseGuard(lambda: None)
    threading.Timer(0.05, guard.close).start()
    assert guard.wait_closed(5)
