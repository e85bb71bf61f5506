"""A Debian trixie with picamera2 and libcamera's virtual cameras, and the project's wheel installed in it."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.roots.needed import need_root
from support.roots.trixie import WORK, TrixieRoot, trixie_root
from support.roots.wheels import install_project
from support.virtual_cameras import write_cameras

Guest = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def trixie() -> TrixieRoot:
    return need_root(lambda: trixie_root("mnv2-edge"))


@pytest.fixture(scope="session")
def work(trixie: TrixieRoot, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that is /work inside: the project as `pip install` lays it out, and what the cameras see."""
    folder = tmp_path_factory.mktemp("work")
    need_root(lambda: install_project(root, folder / "installed"))
    shutil.copytree(Path(__file__).with_name("guest"), folder / "guest")
    write_cameras(folder, WORK)
    return folder


@pytest.fixture
def guest(trixie: TrixieRoot, work: Path) -> Guest:
    """Return a function that runs camera.py with some arguments inside of the root, to its end."""
    environment = trixie.environment(WORK / "installed", WORK / "guest")

    def run(*args: str, status: int = 0, timeout_s: float = 100) -> "subprocess.CompletedProcess[str]":
        command = trixie.command(work, [str(WORK / "guest/camera.py"), *args])
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment)
        assert done.returncode == status, f"{args} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    return run
