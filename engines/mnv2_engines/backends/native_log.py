"""What native libraries write to stderr, moved to the log."""

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["native_log"]

_MESSAGE = re.compile(rb"(?:(?:INFO|WARNING|ERROR): |\b[IWE]\d{4} )[^\r\n]*\r?\n?")
"""What TensorFlow Lite and Abseil begin a message with; a progress bar may stand in front of it on the same line."""


@contextmanager
def native_log(log: logging.Logger) -> Iterator[None]:
    """Log at DEBUG what C++ code writes to file descriptor 2 inside of the `with`; pass anything else on at its end.

    The descriptor is the whole process's, so this is for the short time in which an engine is opened.
    """
    try:
        saved = os.dup(2)
    except OSError:  # the process was started without stderr
        yield
        return
    with tempfile.TemporaryFile() as caught:
        sys.stderr.flush()
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            caught.seek(0)
            written = caught.read()
            _pass_on(_MESSAGE.sub(b"", written))
            for message in _MESSAGE.findall(written):
                log.debug("%s", message.decode(errors="replace").rstrip())


def _pass_on(written: bytes) -> None:
    """Write to the descriptor itself, as the native library did: `sys.stderr` may be a progress bar's."""
    while written:
        written = written[os.write(2, written) :]
