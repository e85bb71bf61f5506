"""Cut the pictures out of a motion JPEG stream (multipart/x-mixed-replace)."""

import re
from typing import Final

from mnv2_edge.errors import SourceError

__all__ = ["JpegParts"]

_START: Final = b"\xff\xd8"
_LENGTH: Final = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_LARGEST: Final = 32 * 1024 * 1024


class JpegParts:
    """Collect bytes as they come and give whole JPEGs.

    A part is as long as its Content-Length says, else it reaches to the next boundary. An end-of-image mark says
    nothing: the preview inside of a picture has one too.
    """

    def __init__(self, boundary: str) -> None:
        """`boundary` is what the Content-Type says; cameras disagree on whether the dashes in front belong to it."""
        self._boundary = b"--" + boundary.strip('"').lstrip("-").encode("latin-1")
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes and return the pictures that they complete, oldest first.

        Raises SourceError when there has been none for too long.
        """
        self._buffer += data
        whole = []
        while (picture := self._next()) is not None:
            whole.append(picture)
        if len(self._buffer) > _LARGEST:
            raise SourceError(
                f"no picture begins or ends in {_LARGEST // 2**20} MiB of the stream: it is no motion JPEG"
            )
        return whole

    def _next(self) -> bytes | None:
        start = self._buffer.find(_START)
        if start < 0:
            return None
        stated = _LENGTH.search(self._buffer, 0, start)
        if stated is not None:
            end = start + int(stated[1])
            if len(self._buffer) < end:
                return None
        else:
            end = self._buffer.find(self._boundary, max(start, self._searched))
            if end < 0:
                self._searched = max(0, len(self._buffer) - len(self._boundary))
                return None
        picture = bytes(memoryview(self._buffer)[start:end]).rstrip(b"\r\n")
        del self._buffer[:end]
        self._searched = 0
        return picture
