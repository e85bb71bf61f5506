"""Keep what native libraries write to stderr out of the user's sight, and in the log."""

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["native_log"]

_LINE = re.compile(r"(INFO|WARNING|ERROR|[IWE]\d{4}\b)[: ]")


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
            for line in caught.read().decode(errors="replace").splitlines(keepends=True):
                if _LINE.match(line):
                    log.debug("%s", line.rstrip())
                else:
                    sys.stderr.write(line)
