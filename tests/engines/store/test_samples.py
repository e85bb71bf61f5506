import numpy as np
import pytest

from mnv2_engines.errors import CorruptEngineError
from mnv2_engines.store.sources import decode_strip, encode_strip, spread_evenly


@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_every_bit_of_every_picture_comes_back(signs_pictures, color) -> None:
    raw = encode_strip(signs_pictures[:5], color)
    again = decode_strip(raw, 5, 96, 96, color)
    assert len(raw) < 5 * 96 * 96 * 3
    for picture, kept in zip(signs_pictures[:5], again, strict=True):
        np.testing.assert_array_equal(picture, kept)


def test_a_viewer_sees_the_right_colours() -> None:
    import cv2

    red = np.zeros((4, 3, 3), np.uint8)
    red[:, :, 0] = 255
    seen = cv2.imdecode(np.frombuffer(encode_strip([red], "RGB"), np.uint8), cv2.IMREAD_COLOR)
    assert seen[0, 0].tolist() == [0, 0, 255]


def test_a_file_of_another_size_is_refused_before_it_is_unpacked(signs_pictures) -> None:
    raw = encode_strip(signs_pictures[:5], "RGB")
    for counts in ((4, 96, 96), (5, 97, 96), (5, 96, 95)):
        with pytest.raises(CorruptEngineError, match="are not"):
            decode_strip(raw, *counts, "RGB")
    bomb = raw[:16] + (1 << 30).to_bytes(4, "big") + raw[20:]
    with pytest.raises(CorruptEngineError, match="are not"):
        decode_strip(bomb, 5, 96, 96, "RGB")


@pytest.mark.parametrize("cut", [0, 10, 30, 200])
def test_a_damaged_file_is_refused(signs_pictures, cut: int) -> None:
    with pytest.raises(CorruptEngineError):
        decode_strip(encode_strip(signs_pictures[:5], "RGB")[:cut], 5, 96, 96, "RGB")


def test_a_sample_is_spread_over_all() -> None:
    assert spread_evenly(range(100), 4) == [0, 25, 50, 75]
    assert spread_evenly(range(3), 4) == [0, 1, 2]
    assert spread_evenly([], 4) == []
