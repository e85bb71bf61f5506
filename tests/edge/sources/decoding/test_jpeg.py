import cv2
import numpy as np
import pytest

from mnv2_edge.sources.decoding.header import UnmeasuredError
from mnv2_edge.sources.decoding.jpeg import MOST_SCANS, measure_jpeg
from support.hostile_pictures import jpeg, jpeg_saying, progressive_saying


def size(data: bytes) -> tuple[int, int]:
    header = measure_jpeg(data)
    return header.width, header.height


@pytest.mark.parametrize("progressive", [0, 1])
def test_a_jpeg_says_how_large_it_is(progressive: int) -> None:
    assert size(jpeg(64, 48, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)) == (64, 48)


def test_a_preview_does_not_count_and_markers_may_be_filled_up() -> None:
    preview, whole = jpeg(8, 8), jpeg(64, 48)
    segment = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    assert size(whole[:2] + segment + b"\xff\xff\xff" + whole[3:]) == (64, 48)


@pytest.mark.parametrize("junk", [b"\0", b"junk", b"\xff\0", b"\xff\xd3", b"\xff\x01", b"\xff\xfe\0\0", b"\0\xff\xff"])
def test_what_libjpeg_skips_is_skipped(junk: bytes) -> None:
    assert size(jpeg_saying(30_000, 30_000, junk)) == (30_000, 30_000)
    small = jpeg_saying(16, 16, junk)
    assert cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR).shape == (16, 16, 3)


def test_every_cut_says_all_or_nothing() -> None:
    whole, said = jpeg(64, 48), set()
    for end in range(len(whole)):
        try:
            said.add(size(whole[:end]))
        except UnmeasuredError:
            said.add((0, 0))
    assert said == {(0, 0), (64, 48)}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "was cut"),
        (b"\xff\xd8", "was cut"),
        (b"\xff\xd8" + b"\xff" * 1000, "was cut"),
        (b"\xff\xd8\xff\xd9" + jpeg(16, 16), "was cut"),
        (jpeg(16, 16)[:2] + jpeg(16, 16), "marker 0xd8"),
        (jpeg_saying(16, 16, b"\xff\x4f"), "marker 0x4f"),
        (jpeg_saying(16, 0), "does not say how large"),
        (jpeg_saying(0, 16), "does not say how large"),
        (jpeg(16, 16).replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"), "12 bits"),
        (jpeg(16, 16).replace(b"\xff\xc0", b"\xff\xc3"), "rare kind"),
        (jpeg(16, 16).replace(b"\xff\xc0", b"\xff\xc9"), "rare kind"),
        (jpeg(16, 16).replace(b"\xff\xc0\0\x11", b"\xff\xc0\0\x12"), "damaged frame header"),
        (jpeg(16, 16).replace(b"\xff\xda", b"\xff\xc0\0\x0b\x08\0\x10\0\x10\1\1\x11\0\xff\xda"), "two frame headers"),
        (progressive_saying(64, 64, scans=MOST_SCANS + 1), "more than 32 scans"),
    ],
)
def test_what_cannot_be_measured_says_why(data: bytes, why: str) -> None:
    with pytest.raises(UnmeasuredError, match=why):
        measure_jpeg(data)


@pytest.mark.parametrize(
    ("factor", "a_pixel"), [(0x111111, 6), (0x211111, 4), (0x221111, 3)], ids=["4:4:4", "4:2:2", "4:2:0"]
)
def test_a_progressive_jpeg_costs_all_its_coefficients(factor: int, a_pixel: int) -> None:
    options = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor)
    assert measure_jpeg(jpeg(64, 48, *options)).working_bytes == 64 * 48 * a_pixel
    assert measure_jpeg(jpeg(64, 48)).working_bytes == 0


def test_a_plain_jpeg_whose_components_come_one_by_one_costs_the_same() -> None:
    whole = jpeg(64, 48, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111)
    at = whole.index(b"\xff\xda")
    scan = b"\xff\xda\0\x08\1\1\0\0\x3f\0"
    assert measure_jpeg(whole[:at] + scan + whole[at + 14 :]).working_bytes == 64 * 48 * 6


def test_what_hides_scans_from_a_hasty_reader_does_not_hide_them() -> None:
    """An end of image inside of a comment between two scans ends nothing."""
    many = progressive_saying(64, 64, scans=MOST_SCANS + 1)
    first = many.index(b"\xff\xda", many.index(b"\xff\xda") + 2)
    hidden = many[:first] + b"\xff\xfe\0\x04\xff\xd9" + many[first:]
    with pytest.raises(UnmeasuredError, match="more than 32 scans"):
        measure_jpeg(hidden)
    after_the_end = jpeg(64, 48, cv2.IMWRITE_JPEG_PROGRESSIVE, 1) + b"\xff\xda\0\x02" * 100
    assert size(after_the_end) == (64, 48)


@pytest.mark.parametrize(
    "filling", [b"\xff", b"\xff\x01", b"\xff\xd0", b"\xff\xfe\0\0", b"\xff\0", b"\0"], ids=lambda filling: filling.hex()
)
def test_megabytes_of_markers_take_no_time(filling: bytes) -> None:
    """A test of time without a clock: what takes more than a step a byte, or a loop over all, does not end in time."""
    many = filling * ((16 << 20) // len(filling))
    for data in (b"\xff\xd8" + many, progressive_saying(64, 64)[:-2] + many):
        try:
            measure_jpeg(data)
        except UnmeasuredError:
            continue
