"""An arm64 Python on emulated processors, with the project's wheel installed."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.roots.arm64 import Arm64Root, arm64_root
from support.roots.needed import need_root
from support.roots.wheels import install_project

Run = Callable[..., "subprocess.CompletedProcess[str]"]

PROCESSORS = ("cortex-a72", "cortex-a76")
"""Of a Raspberry Pi 4 and 5."""


@pytest.fixture(scope="session")
def arm64() -> Arm64Root:
    return need_root(lambda: arm64_root("mnv2-edge"))


@pytest.fixture(scope="session")
def installed(arm64: Arm64Root, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the project as `pip install` lays it out."""
    folder = tmp_path_factory.mktemp("installed")
    need_root(lambda: install_project(root, folder))
    return folder


@pytest.fixture(scope="session", params=PROCESSORS)
def cpu(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def run(arm64: Arm64Root, installed: Path, cpu: str, tmp_path: Path) -> Run:
    """Return a function that runs the arm64 Python with some arguments to its end, in a home of its own."""
    python = arm64.python(cpu, tmp_path)
    environment = {
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(installed),
        "PYTHONWARNINGS": "error",
    }

    def run_it(*args: str | Path, stdin: str = "", timeout_s: float = 300) -> "subprocess.CompletedProcess[str]":
        command = [str(python), *map(str, args)]
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment
        )
        assert done.returncode == 0, f"{args} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    return run_it
