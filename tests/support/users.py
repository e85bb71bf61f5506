"""Be another user for a moment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def closed_to_us(folder: Path) -> Iterator[None]:
    """Make what lies in a folder unreachable for this process, also when it is root's."""
    mode = folder.stat().st_mode
    us = os.geteuid()
    folder.chmod(0)
    try:
        if us == 0:
            os.seteuid(NOBODY)
        yield
    finally:
        if us == 0:
            os.seteuid(us)
        folder.chmod(mode)
