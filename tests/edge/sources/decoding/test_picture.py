"""What the gate measures is what the decoder makes room for, whatever the bytes."""

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mnv2_edge.errors import PictureError
from mnv2_edge.sources.decoding.limits import PictureLimits
from mnv2_edge.sources.decoding.picture import decode_picture, measure_picture
from support import hostile_pictures as hostile

SMALL = PictureLimits(1.0)


def sample(suffix: str, *options: int) -> bytes:
    pixels = cv2.imdecode(np.frombuffer(hostile.jpeg(40, 24), np.uint8), cv2.IMREAD_COLOR)
    return bytes(cv2.imencode(suffix, pixels, options)[1])


def transparent_webp() -> bytes:
    """Return a WebP that says its size twice: for the canvas, and for the picture."""
    pixels = cv2.imdecode(np.frombuffer(hostile.jpeg(40, 24), np.uint8), cv2.IMREAD_COLOR)
    data = bytes(cv2.imencode(".webp", np.dstack([pixels, pixels[..., 0]]), (cv2.IMWRITE_WEBP_QUALITY, 80))[1])
    assert data[12:16] == b"VP8X"
    return data


def thumbnail_inside(whole: bytes) -> bytes:
    preview = hostile.jpeg(8, 8)
    return whole[:2] + b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview + whole[2:]


SAMPLES = {
    "baseline": hostile.jpeg(40, 24),
    "progressive": hostile.jpeg(40, 24, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restarts": hostile.jpeg(40, 24, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    "thumbnail": thumbnail_inside(hostile.jpeg(40, 24)),
    "png": sample(".png"),
    "bmp": sample(".bmp"),
    "ppm": sample(".ppm"),
    "tiff": sample(".tiff"),
    "lossy webp": sample(".webp", cv2.IMWRITE_WEBP_QUALITY, 80),
    "lossless webp": sample(".webp", cv2.IMWRITE_WEBP_QUALITY, 101),
    "transparent webp": transparent_webp(),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_format_is_measured_and_decoded(name: str) -> None:
    header, _ = measure_picture(SAMPLES[name])
    assert (header.width, header.height) == (40, 24)
    assert decode_picture(SAMPLES[name]).shape == (24, 40, 3)


@st.composite
def mutated(draw: st.DrawFn, names: tuple[str, ...]) -> bytes:
    """Change, drop, double or insert bytes, mostly in front, where headers are."""
    data = bytearray(SAMPLES[draw(st.sampled_from(names))])
    for _ in range(draw(st.integers(1, 4))):
        head = draw(st.sampled_from([32, 200, 800, len(data)]))
        at = draw(st.integers(0, min(head, len(data) - 1)))
        piece = draw(
            st.one_of(
                st.binary(min_size=1, max_size=6),
                st.sampled_from([0xC0, 0xC2, 0xC4, 0xD8, 0xD9, 0xDA, 0xE1, 0xFE, 0x00, 0xFF, 0xD0, 0x01, 0x30]).map(
                    lambda marker: bytes([0xFF, marker])
                ),
                st.just(b"\xff\xc0\x00\x11\x08\x00\x30\x00\x50\x03\x01\x11\x00\x02\x11\x01\x03\x11\x01"),
                st.integers(0, len(data)).map(lambda start: bytes(data[start : start + 20])),
            )
        )
        if draw(st.booleans()):
            data[at:at] = piece
        else:
            data[at : at + len(piece)] = piece
    return bytes(data)


def agree(data: bytes) -> None:
    """Whatever OpenCV decodes has the size that was measured, or was refused."""
    try:
        header, trimmed = measure_picture(data)
    except PictureError:
        return
    if header.pixels > 4_000_000:  # a test may not do what the gate is there to prevent
        return
    for given_bytes in (data, trimmed):
        try:
            pixels = cv2.imdecode(np.frombuffer(given_bytes, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error:
            continue
        if pixels is not None:
            assert sorted(pixels.shape[:2]) == sorted((header.height, header.width))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated(("baseline", "progressive", "restarts", "thumbnail")))
@example(hostile.jpeg_saying(16, 16, b"junk"))
@example(hostile.jpeg_saying(40, 24, b"\xff\x00\xff\xd0\xff\xff"))
@example(SAMPLES["baseline"].replace(b"\xff\xdb", b"\xff\xfe\x00\x00\xff\xdb", 1))
@example(SAMPLES["baseline"].replace(b"\xff\xdb", b"\xff\xfe\x00\x01\xff\xdb", 1))
def test_what_a_damaged_jpeg_becomes_was_measured(data: bytes) -> None:
    agree(data)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated(("png", "bmp", "ppm", "tiff", "lossy webp", "lossless webp", "transparent webp")))
@example(b"P6 10#20\n 30\n255\n" + bytes(1000))
@example(b"P5#1\n4 4 255 " + bytes(64))
def test_what_another_damaged_picture_becomes_was_measured(data: bytes) -> None:
    agree(data)
