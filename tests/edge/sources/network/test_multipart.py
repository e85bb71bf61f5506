import pytest

from mnv2_edge.errors import SourceError
from mnv2_edge.sources.network.multipart import JpegParts
from support.mjpeg_server import picture

WHOLE = picture(9)


def part(head: bytes = b"") -> bytes:
    return b"--b\r\nContent-Type: image/jpeg\r\n" + head + b"\r\n" + WHOLE + b"\r\n"


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("boundary", ["b", "--b", '"b"', ""])
@pytest.mark.parametrize("with_length", [True, False])
def test_however_the_bytes_come(size: int, boundary: str, with_length: bool) -> None:
    head = f"Content-Length: {len(WHOLE)}\r\n".encode() if with_length else b""
    stream = part(head) * 3 + b"--b\r\n"
    parts = JpegParts(boundary)
    found = [jpeg for start in range(0, len(stream), size) for jpeg in parts.feed(stream[start : start + size])]
    assert found == [WHOLE] * 3


def test_a_preview_inside_does_not_end_the_picture() -> None:
    outer = WHOLE[:2] + b"\xff\xe1\x00\x10" + WHOLE + WHOLE[2:]
    stream = b"--b\r\n\r\n" + outer + b"\r\n--b\r\n"
    assert JpegParts("b").feed(stream) == [outer]


def test_dashes_inside_do_not_end_a_picture_whose_boundary_nobody_stated() -> None:
    outer = WHOLE[:2] + b"\xff\xfe\x00\x06\r\n--" + WHOLE[2:]
    stream = b"--b\r\n\r\n" + outer + b"\r\n--b\r\n"
    assert JpegParts("").feed(stream) == [outer]


def test_the_length_is_that_of_the_part_itself() -> None:
    text = b"--b\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello\r\n"
    assert JpegParts("b").feed(text + part(f"Content-Length: {len(WHOLE)}\r\n".encode())) == [WHOLE]


def test_a_length_of_nothing_says_nothing() -> None:
    assert JpegParts("b").feed(part(b"Content-Length: 0\r\n") + b"--b\r\n") == [WHOLE]


def test_a_picture_that_nothing_ends_is_refused() -> None:
    with pytest.raises(SourceError, match="expected a boundary or a Content-Length"):
        JpegParts("").feed(b"\r\n\r\n" + WHOLE)


@pytest.mark.parametrize(
    ("begin", "more", "said"),
    [
        (b"", 1 << 20, "no picture begins in 1 MiB"),
        (b"\xff\xd8", 16 << 20, "no picture ends in 16 MiB"),
    ],
)
def test_a_stream_of_something_else_is_given_up(begin: bytes, more: int, said: str) -> None:
    parts = JpegParts("b")
    assert parts.feed(begin + bytes(more - len(begin))) == []
    with pytest.raises(SourceError, match=said):
        parts.feed(b"x")


@pytest.mark.parametrize("digits", [b"16777217", b"9" * 5000])
def test_a_part_beyond_measure_is_refused_before_it_comes(digits: bytes) -> None:
    with pytest.raises(SourceError, match="is announced: expected at most 16 MiB"):
        JpegParts("b").feed(b"--b\r\nContent-Length: " + digits + b"\r\n\r\n\xff\xd8")
