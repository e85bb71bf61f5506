"""Be another user for a moment."""

import os
import tempfile
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


@contextmanager
def open_folder() -> Iterator[Path]:
    """Give a folder that any user may enter, as pytest's own may not be: what is closed is then closed by itself."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
