import numpy as np
import pytest

from mnv2_edge.frames import Frame
from mnv2_edge.pipeline.frame_gate import FrameGate, GateSettings

RNG = np.random.default_rng(0)


def frame(at_s: float, *, box: int = 0, light: int = 90) -> Frame:
    """A noisy grey picture with a bright square of `box` pixels."""
    pixels = np.clip(RNG.normal(light, 6, (120, 160, 3)), 0, 255).astype(np.uint8)
    pixels[40 : 40 + box, 60 : 60 + box] = 240
    return Frame(pixels, "BGR", 0, round(1e9 + at_s * 1e9), "cam")


@pytest.mark.parametrize("rate", [1.0, 7.0, 10.0, 29.0])
def test_the_rate_is_met_on_average_although_frames_jitter(rate: float) -> None:
    gate = FrameGate(GateSettings(max_rate=rate))
    times = np.arange(0, 20, 1 / 30) + RNG.uniform(-0.004, 0.004, 600)
    passed = sum(gate.passes(frame(at)) for at in times)
    assert 20 * rate * 0.97 - 1 <= passed <= 20 * rate + 1  # near the camera's own rate jitter costs a few


def test_a_camera_that_is_slower_than_the_rate_loses_nothing_and_saves_nothing_up() -> None:
    gate = FrameGate(GateSettings(max_rate=10))
    assert all(gate.passes(frame(at)) for at in range(5))
    assert sum(gate.passes(frame(5 + step / 30)) for step in range(30)) <= 11


def test_a_limit_holds_besides_the_settings_and_can_be_moved_and_taken_away_at_any_time() -> None:
    gate, black = FrameGate(GateSettings(max_rate=10)), np.zeros((2, 2, 3), np.uint8)

    def passed(since_s: float, limit: float) -> int:
        gate.limit = limit
        times = [since_s + step / 30 for step in range(600)]
        return sum(gate.passes(Frame(black, "BGR", 0, round(at * 1e9), "cam")) for at in times)

    assert 195 <= passed(0, 0) <= 205
    assert 95 <= passed(20, 5) <= 105
    assert 195 <= passed(40, 50) <= 205
    assert 1 <= passed(60, 0.05) <= 2
    assert 195 <= passed(80, 0) <= 205  # and does not wait for the turn that was 20 s away


def test_without_settings_everything_passes() -> None:
    gate = FrameGate(GateSettings())
    assert all(gate.passes(frame(step / 1000)) for step in range(100))


def test_noise_is_no_motion_and_a_thing_that_comes_is() -> None:
    gate = FrameGate(GateSettings(motion=0.005))
    still = [gate.passes(frame(step / 10)) for step in range(50)]
    assert all(still[:20])  # the first frame is always looked at, and what follows within two seconds
    assert not any(still[20:])
    assert gate.passes(frame(5.0, box=24))  # 3 % of the picture
    after = [gate.passes(frame(5.1 + step / 10)) for step in range(40)]
    assert all(after[:15])
    assert not any(after[30:])


def test_what_stays_becomes_background_and_slow_light_is_none_of_it() -> None:
    gate = FrameGate(GateSettings(motion=0.005))
    parked = [gate.passes(frame(step / 10, box=24 if step > 30 else 0)) for step in range(600)]
    assert parked[31]
    assert not any(parked[-50:])
    dusk = [gate.passes(frame(60 + step / 10, box=24, light=90 - step // 20)) for step in range(400)]
    assert not any(dusk)


def test_a_new_size_begins_anew() -> None:
    gate = FrameGate(GateSettings(motion=0.5))
    assert gate.passes(frame(0))
    wide = Frame(np.zeros((90, 320, 3), np.uint8), "BGR", 0, 10**10, "cam")
    assert gate.passes(wide)
