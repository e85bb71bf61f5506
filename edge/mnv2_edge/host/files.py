"""The small files of /proc and /sys."""

import os
from pathlib import Path
from typing import Final

__all__ = ["list_files", "read_number", "read_text"]

_AT_ONCE: Final = 1 << 16
_LONGEST: Final = 4 << 20
"""What is read of a file at most: the kernel's are far smaller, and others than the kernel may lie at these places."""


def read_text(path: Path) -> str:
    """Return what the file holds, stripped; empty when it is missing, or may not be read, or its device is going.

    Of a large file it is the first 4 MiB. Asked for what is not powered, a driver says EAGAIN, as those of a Jetson's
    sensors do: Python's own files make a TypeError of that before 3.14 (python/cpython issue 109523), and a FIFO that
    nobody writes would never open.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return ""
    try:
        parts, left = [], _LONGEST
        while left > 0 and (part := os.read(file, min(left, _AT_ONCE))):
            parts.append(part)
            left -= len(part)
    except OSError:
        return ""
    finally:
        os.close(file)
    return b"".join(parts).decode("utf-8", errors="replace").strip("\0 \n\t")


def list_files(folder: Path, pattern: str) -> list[Path]:
    """Return what in the folder fits the pattern, sorted; empty also when its driver goes while we look."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def read_number(path: Path, base: int = 10) -> int | None:
    """Return the whole number in the file; None when there is none. Base 16 takes it with or without `0x`."""
    try:
        return int(read_text(path), base)
    except ValueError:
        return None
