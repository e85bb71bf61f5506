"""Show which check is running, on a terminal: some take seconds on a small board."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["show_checks"]


@contextmanager
def show_checks() -> Iterator[Callable[[str], None]]:
    """Give what is called with the name of each check; nothing is shown when stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _name: None
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield lambda name: status.update(f"looking at {name}")
