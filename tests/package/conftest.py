"""Build the package once, and make virtual environments that hold nothing but what a test installs.

Nothing here needs the network: pip, the build backend and the dependencies are those of the interpreter that runs the
tests, lent to the new environment by a path file, which takes its packages along but not its editable installations.
"""

import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

PIP_INSTALL = (
    *("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir"),
    "--ignore-installed",  # what is installed where pip is lent from is none of its business
)


@dataclass(frozen=True)
class Distributions:
    sdist: Path
    wheel: Path


class CleanEnvironment:
    """A virtual environment of its own."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder)
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.site = Path(self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip())
        self._loan = self.site / "lent.pth"

    def lend_dependencies(self) -> None:
        """Let it import what the tests' interpreter has, after its own packages."""
        paths = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
        self._loan.write_text("".join(f"{path}\n" for path in paths))

    def install(self, *what: str | Path) -> None:
        """Install with pip; afterwards nothing but that can be imported."""
        self.lend_dependencies()
        self.run(*PIP_INSTALL, *what)
        self._loan.unlink()

    def run(self, *args: str | Path, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run its Python somewhere else than in the checkout."""
        done = subprocess.run([self.python, *args], capture_output=True, text=True, cwd=self.folder, check=False)
        if check:
            assert done.returncode == 0, done.stderr
        return done


@pytest.fixture
def environment(tmp_path):
    return CleanEnvironment(tmp_path / "venv")


@pytest.fixture(scope="session")
def distributions(root, tmp_path_factory):
    """Return an sdist of the checkout, and the wheel that is built from what is in it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, root]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Distributions(sdist, wheel)


@pytest.fixture
def example(root, tmp_path):
    """Return a copy of the example plug-in, so that building leaves nothing in the checkout."""
    return shutil.copytree(root / "docs" / "examples" / "plugin", tmp_path / "example")
