"""Find a Python that has a training framework, or make one."""

import importlib.util
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest


def python_with(variable: str, needed: Sequence[str], packages: Sequence[str], folder: Path) -> str | Path:
    """Return a Python that imports `needed`: the one that is named, this one, or one of a new environment."""
    if variable in os.environ:
        return os.environ[variable]
    if all(importlib.util.find_spec(name) for name in needed):
        return sys.executable
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *packages], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"{' and '.join(packages)} cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    return python
