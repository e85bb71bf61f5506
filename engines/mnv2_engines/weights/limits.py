"""Keep a library that believes what a damaged file says from taking all the memory there is."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["limited_memory"]


@contextmanager
def limited_memory(more_bytes: int) -> Iterator[None]:
    """Let this process map at most so many bytes more; an allocation beyond that fails, as MemoryError or OSError.

    All threads are limited meanwhile, so it is for short calls. Where the kernel does not tell what is mapped, nothing
    is limited.
    """
    mapped = _mapped_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = mapped + more_bytes
    if not mapped or limit > sys.maxsize or (soft != resource.RLIM_INFINITY and soft <= limit):
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _mapped_bytes() -> int:
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize()
