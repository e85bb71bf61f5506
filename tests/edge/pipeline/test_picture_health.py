import numpy as np

from mnv2_edge.pipeline.picture_health import PictureFault, PictureMonitor
from mnv2_engines.tensors import UInt8Array

RNG = np.random.default_rng(0)
SECOND = 1_000_000_000


def noise(low: int = 0, high: int = 256) -> UInt8Array:
    return RNG.integers(low, high, (120, 160, 3), dtype=np.uint8)


def looks(watch: PictureMonitor, pictures: list[UInt8Array], *, start_s: float = 0) -> list[PictureFault | None]:
    """Show pictures, ten a second."""
    return [watch.look(picture, int((start_s + place / 10) * SECOND)) for place, picture in enumerate(pictures)]


def test_live_pictures_are_no_trouble() -> None:
    watch = PictureMonitor(frozen_s=1, black_s=1)
    assert looks(watch, [noise() for _ in range(50)]) == [None] * 50


def test_a_frozen_picture_is_told_after_its_time_and_reopened_once_in_that_time() -> None:
    watch = PictureMonitor(frozen_s=1, black_s=1)
    troubles = looks(watch, [noise()] * 35)
    assert troubles[:10] == [None] * 10
    assert all(trouble is not None and trouble.kind == "frozen" and trouble.lasting for trouble in troubles[10:])
    assert [place for place, trouble in enumerate(troubles) if trouble and trouble.reopen] == [10, 20, 30]


def test_it_remembers_what_it_was_frozen_at() -> None:
    watch = PictureMonitor(frozen_s=1, black_s=0)
    picture = noise()
    looks(watch, [picture] * 11)
    assert watch.look(picture.copy(), 90 * SECOND) is not None
    assert watch.look(noise(), 91 * SECOND) is None


def test_a_picture_of_another_size_is_another() -> None:
    watch = PictureMonitor(frozen_s=1, black_s=0)
    looks(watch, [noise()] * 11)
    assert watch.look(noise()[:64], 2 * SECOND) is None


def test_black_pictures_count_at_once_and_are_told_after_their_time() -> None:
    watch = PictureMonitor(frozen_s=0, black_s=1)
    troubles = looks(watch, [noise(0, 20) for _ in range(15)])
    assert all(trouble is not None and trouble.kind == "black" and not trouble.reopen for trouble in troubles)
    assert [trouble.lasting for trouble in troubles if trouble] == [False] * 10 + [True] * 5
    assert watch.look(noise(), 2 * SECOND) is None
    again = watch.look(noise(0, 20), 3 * SECOND)
    assert again is not None
    assert not again.lasting


def test_hot_pixels_make_no_light_and_a_lamp_does() -> None:
    watch = PictureMonitor(frozen_s=0, black_s=1)
    hot = np.repeat(np.repeat(noise(0, 10), 4, 0), 4, 1)
    hot[::240, ::320] = 255
    assert watch.look(hot, 0) is not None
    lamp = np.repeat(np.repeat(noise(0, 10), 4, 0), 4, 1)
    lamp[160:224, 160:224] = 255  # a hundredth of the picture
    assert watch.look(lamp, SECOND) is None


def test_digital_black_is_frozen_too_so_that_the_camera_is_opened_again() -> None:
    watch = PictureMonitor(frozen_s=1, black_s=0.5)
    troubles = looks(watch, [np.zeros((48, 64, 3), np.uint8)] * 12)
    assert troubles[0] is not None
    assert troubles[10] is not None
    assert (troubles[0].kind, troubles[10].kind, troubles[10].reopen) == ("black", "frozen", True)


def test_what_is_switched_off_is_not_looked_at() -> None:
    watch = PictureMonitor(frozen_s=0, black_s=0)
    assert looks(watch, [np.zeros((8, 8, 3), np.uint8)] * 100) == [None] * 100
