"""Get a root for a test, or say why there is none."""

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

from support.roots.cache import RootUnavailableError

__all__ = ["need_root"]

Root = TypeVar("Root")


def need_root(make: Callable[[], Root]) -> Root:
    """Return what `make` makes; where its parts cannot be had skip with the reason. In CI that is a failure."""
    try:
        return make()
    except RootUnavailableError as exc:
        missing = str(exc)
    if os.environ.get("CI"):
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
