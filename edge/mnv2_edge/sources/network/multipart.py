"""The pictures of a motion JPEG stream (multipart/x-mixed-replace)."""

import re
from typing import Final

from mnv2_edge.errors import SourceError
from mnv2_edge.sources.decoding.limits import DEFAULT_LIMITS

__all__ = ["JpegParts"]

_START: Final = b"\xff\xd8"
_LENGTH: Final = re.compile(rb"content-length:[ \t]*(\d{1,12})", re.IGNORECASE)
_DELIMITER: Final = re.compile(rb"(?:\A|\n)(--[^\r\n]+)")
_LARGEST_HEAD: Final = 1024 * 1024


class JpegParts:
    """Buffer that takes bytes as they come and gives whole JPEGs; it never holds more than the largest may have.

    A part is as long as its Content-Length says, else it reaches to the next boundary. An end-of-image mark says
    nothing: the preview inside of a picture has one too.
    """

    def __init__(self, boundary: str, largest: int = DEFAULT_LIMITS.streamed_bytes) -> None:
        """No picture may have more bytes than `largest`.

        `boundary` is what the Content-Type says; cameras disagree on whether the dashes in front belong to it.

        Where it says nothing, the line in front of a part counts.
        """
        stated = boundary.strip('"').lstrip("-").encode("latin-1", "replace")
        self._boundary = b"--" + stated if stated else b""
        self._largest = largest
        self._buffer = bytearray()
        self._start = -1
        """Where a picture begins; -1 while that is not known."""
        self._stated = 0
        """How long it says that it is; 0: it does not say."""
        self._searched = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes and return the pictures that they complete, oldest first.

        Raises SourceError when there has been none for too long, and when nothing tells where a picture ends.
        """
        self._buffer += data
        whole = []
        while (picture := self._next()) is not None:
            whole.append(picture)
        if len(self._buffer) > self._largest:
            raise SourceError(f"no picture ends in {_mib(self._largest)} of the stream: it is not motion JPEG")
        return whole

    def _next(self) -> bytes | None:
        if self._start < 0 and not self._find_start():
            return None
        if self._stated:
            end = self._start + self._stated
            if len(self._buffer) < end:
                return None
        else:
            end = self._buffer.find(self._boundary, self._searched)
            if end < 0:
                self._searched = max(self._start, len(self._buffer) - len(self._boundary))
                return None
        picture = bytes(memoryview(self._buffer)[self._start : end]).rstrip(b"\r\n")
        del self._buffer[:end]
        self._start, self._searched = -1, 0
        return picture

    def _find_start(self) -> bool:
        """Find where a picture begins, and read what is in front of it; return False when it has not come."""
        start = self._buffer.find(_START, self._searched)
        if start < 0:
            if len(self._buffer) > _LARGEST_HEAD:
                raise SourceError(f"no picture begins in {_mib(_LARGEST_HEAD)} of the stream: it is not motion JPEG")
            self._searched = max(0, len(self._buffer) - 1)
            return False
        head = bytes(memoryview(self._buffer)[:start])
        lengths = _LENGTH.findall(head)
        self._stated = int(lengths[-1]) if lengths else 0
        if self._stated > self._largest:
            raise SourceError(f"a picture of {_mib(self._stated)} is announced: expected at most {_mib(self._largest)}")
        lines = [] if self._boundary else _DELIMITER.findall(head)
        self._boundary = lines[-1] if lines else self._boundary
        if not self._stated and not self._boundary:
            raise SourceError("nothing tells where a picture ends: expected a boundary or a Content-Length")
        self._start = self._searched = start
        return True


def _mib(size: int) -> str:
    return f"{size >> 20} MiB"
