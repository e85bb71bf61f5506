"""Which results pass, on a clock of the test's own."""

import pytest

from mnv2_edge.sinks.publish_filter import ChangeGate

MS = 1_000_000


@pytest.fixture
def play(make_result):
    """Return what plays {time in ms: label} to a gate asked every ms; it gives (time, label, frame) of what passed."""

    def play(gate, shown, until_ms):
        shown = dict(shown)
        passed = []
        for now in range(until_ms + 1):
            if now in shown:
                gate.offer(make_result(shown[now], frame=now))
            due = gate.due_ns()
            result = gate.take(now * MS)
            assert (result is not None) == (due is not None and due <= now * MS)
            if result is not None:
                passed.append((now, result.predictions[0].label if result.predictions else None, result.frame))
        return passed

    return play


def test_the_first_result_passes_at_once(play):
    assert play(ChangeGate(1000 * MS, 0), [(5, "a")], 10) == [(5, "a", 5)]


def test_a_change_after_the_interval_passes_at_once(play):
    shown = [(0, "a"), (50, "a"), (120, "b"), (130, "b")]
    assert play(ChangeGate(100 * MS, 0), shown, 300) == [(0, "a", 0), (120, "b", 120)]


def test_a_change_within_the_interval_passes_at_its_end_with_the_newest_result(play):
    shown = [(0, "a"), (20, "b"), (90, "b")]
    assert play(ChangeGate(100 * MS, 0), shown, 300) == [(0, "a", 0), (100, "b", 90)]


def test_of_several_changes_within_the_interval_the_last_counts(play):
    assert play(ChangeGate(100 * MS, 0), [(0, "a"), (20, "b"), (40, "c")], 300) == [(0, "a", 0), (100, "c", 40)]


def test_what_came_and_went_within_the_interval_is_not_told(play):
    assert play(ChangeGate(100 * MS, 0), [(0, "a"), (20, "b"), (40, "a")], 300) == [(0, "a", 0)]


def test_nothing_seen_is_a_change_too(play):
    assert play(ChangeGate(0, 0), [(0, None), (10, "a"), (20, None)], 30) == [
        (0, None, 0),
        (10, "a", 10),
        (20, None, 20),
    ]


def test_a_heartbeat_brings_the_newest_result_and_starts_anew_after_a_change(play):
    shown = [(now, "a" if now < 150 else "b") for now in range(0, 400, 10)]
    assert play(ChangeGate(20 * MS, 100 * MS), shown, 400) == [
        (0, "a", 0),
        (100, "a", 100),
        (150, "b", 150),
        (250, "b", 250),
        (350, "b", 350),
    ]


def test_a_camera_that_has_stopped_has_no_heartbeat_until_it_gives_a_result(play):
    shown = [(0, "a"), (10, "a"), (250, "a")]
    assert play(ChangeGate(0, 100 * MS), shown, 400) == [(0, "a", 0), (100, "a", 10), (250, "a", 250)]


def test_repeating_passes_the_newest_result_again(make_result):
    gate = ChangeGate(100 * MS, 0)
    gate.repeat()
    assert gate.take(0) is None
    gate.offer(make_result("a", 1))
    assert gate.take(0).frame == 1
    assert gate.take(1) is None
    gate.repeat()
    assert gate.take(2).frame == 1
    assert gate.take(3) is None


def test_the_last_change_does_not_wait_for_the_interval(make_result):
    gate = ChangeGate(1000 * MS, 10 * MS)
    gate.offer(make_result("a", 1))
    gate.take(0)
    gate.offer(make_result("a", 2))
    assert gate.take_last(1) is None
    gate.offer(make_result("b", 3))
    assert gate.take_last(1).frame == 3
    assert gate.take_last(1) is None
