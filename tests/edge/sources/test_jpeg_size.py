import cv2
import numpy as np
import pytest

from mnv2_edge.sources.jpeg_size import count_pixels


def jpeg(*options: int) -> bytes:
    return bytes(cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8), options)[1])


@pytest.mark.parametrize("progressive", [0, 1])
def test_a_jpeg_says_how_large_it_is(progressive: int) -> None:
    assert count_pixels(jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)) == 64 * 48


def test_a_preview_does_not_count_and_markers_may_be_filled_up() -> None:
    preview = jpeg()
    whole = jpeg()
    segment = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    assert count_pixels(whole[:2] + segment + b"\xff\xff\xff" + whole[3:]) == 64 * 48


def test_every_cut_says_all_or_nothing() -> None:
    whole = jpeg()
    assert {count_pixels(whole[:end]) for end in range(len(whole))} == {0, 64 * 48}


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8" + b"\xff" * 1000, b"\xff\xd8\xff\xe0\0\0" * 9])
def test_what_has_no_header_has_no_pixels(data: bytes) -> None:
    assert count_pixels(data) == 0
