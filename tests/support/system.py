"""Find system commands that tests need."""

import os
import shutil

import pytest


def need_command(name: str, package: str) -> str:
    """Return the path of a system command; where it is missing skip and name the package that has it.

    In CI nothing is skipped for want of a package: there it is a failure.
    """
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is not None:
        return path
    missing = f"{name} is not installed: apt install {package}"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
