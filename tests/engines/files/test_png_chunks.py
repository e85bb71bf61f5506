import pytest

from mnv2_engines.files.png_chunks import PngError, read_png
from support.hostile_pictures import png_chunk, png_of_zeros, text_bomb


def test_only_the_picture_is_left() -> None:
    plain = png_of_zeros(20, 10)
    texts = [png_chunk(b"tEXt", b"a\0b"), text_bomb(1), png_chunk(b"iCCP", b"x\0\0"), png_chunk(b"acTL", bytes(8))]
    png = read_png(png_of_zeros(20, 10, *texts) + b"and more")
    assert (png.width, png.height) == (20, 10)
    assert png.data == plain
    assert read_png(plain).data is plain


def test_how_the_camera_was_held_and_what_is_transparent_stays() -> None:
    whole = png_of_zeros(20, 10, png_chunk(b"tRNS", b"\0\0"), png_chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0\0\0\0\0"))
    assert read_png(whole).data is whole


@pytest.mark.parametrize("end", range(0, len(png_of_zeros(20, 10)), 3))
def test_every_cut_is_noticed(end: int) -> None:
    with pytest.raises(PngError):
        read_png(png_of_zeros(20, 10)[:end])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (png_of_zeros(20, 10, png_of_zeros(30_000, 30_000)[8:33]), "damaged header"),
        (png_of_zeros(20, 10).replace(b"IHDR", b"IDAT"), "damaged header"),
        (png_of_zeros(0, 10), "does not say"),
        (png_of_zeros(20, 10, png_chunk(b"teXt", b"") * (1 << 16)), "more than 65536 chunks"),
    ],
)
def test_what_is_no_plain_png_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(PngError, match=why):
        read_png(data)
