from mnv2_edge.errors import SourceError, SourceLoginError
from mnv2_edge.pipeline.timing import Backoff


def test_waits_double_to_a_cap_and_jitter_only_shortens_them() -> None:
    for _ in range(50):
        backoff = Backoff()
        waits = [backoff.wait_s(SourceError("away")) for _ in range(8)]
        for wait, longest in zip(waits, (0.25, 0.5, 1, 2, 2, 2, 2, 2), strict=True):
            assert longest / 2 <= wait <= longest


def test_devices_do_not_come_back_at_once_together() -> None:
    assert len({round(Backoff().wait_s(), 4) for _ in range(50)}) > 25


def test_a_refused_login_waits_long_and_does_not_slow_down_the_rest() -> None:
    backoff = Backoff()
    refused = [backoff.wait_s(SourceLoginError("401")) for _ in range(5)]
    for wait, longest in zip(refused, (300, 600, 1200, 1800, 1800), strict=True):
        assert longest / 2 <= wait <= longest
    assert backoff.wait_s(SourceError("away")) <= 0.25


def test_a_frame_begins_anew() -> None:
    backoff = Backoff()
    for _ in range(8):
        backoff.wait_s()
    backoff.reset()
    assert backoff.wait_s() <= 0.25
