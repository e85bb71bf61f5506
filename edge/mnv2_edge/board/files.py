"""Read the small files of /proc and /sys."""

from pathlib import Path

__all__ = ["read_number", "read_text"]


def read_text(path: Path) -> str:
    """Return what the file holds, stripped; empty when it is missing, or may not be read, or its device is going."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n\t")
    except (OSError, ValueError):
        return ""


def read_number(path: Path, base: int = 10) -> int | None:
    """Return the whole number in the file; None when there is none. Base 16 takes it with or without `0x`."""
    try:
        return int(read_text(path), base)
    except ValueError:
        return None
