from mnv2_edge.host.clock import Timer
from mnv2_edge.pipeline.timing import Heartbeat


class SetTimer(Timer):
    def __init__(self) -> None:
        self.seconds = 0.0

    def now_ns(self) -> int:
        return int(self.seconds * 1e9)


def test_who_rests_is_well_however_long():
    heartbeat = Heartbeat("inference", SetTimer())
    assert heartbeat.check()
    assert heartbeat.check()
    heartbeat.beat()
    heartbeat.rest()
    assert [heartbeat.check() for _ in range(3)] == [True, True, True]


def test_a_step_counts_once():
    heartbeat = Heartbeat("inference", SetTimer())
    heartbeat.beat()
    assert [heartbeat.check() for _ in range(3)] == [True, False, False]
    heartbeat.beat()
    assert [heartbeat.check() for _ in range(2)] == [True, False]


def test_a_step_that_lasts_is_told_of_once_and_so_is_its_end(caplog):
    timer = SetTimer()
    heartbeat = Heartbeat("inference", timer)
    heartbeat.beat()
    heartbeat.check()
    with caplog.at_level("INFO"):
        for _ in range(100):
            timer.seconds += 0.1
            heartbeat.check()
        heartbeat.beat()
        heartbeat.check()
    assert [record.getMessage() for record in caplog.records] == [
        "inference has not got on for 5 s",
        "inference goes on after 10.0 s",
    ]
