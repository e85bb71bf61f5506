"""A Debian with its own systemd, installed from a bundle, without a network.

The tests run file by file, in the order in which they stand: they install, use, upgrade and remove one system.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.booted import Booted
from support.installed import FAULTY_TASK, INSTALL_S, Instance, all_files
from support.roots.bootable import BootableRoot, bootable_root
from support.roots.cache import RootUnavailableError
from support.roots.needed import need_root

_MEASURED: list[str] = []


@pytest.fixture(scope="session", params=os.environ.get("MNV2_EDGE_SYSTEMS", "bookworm").split())
def system(request: pytest.FixtureRequest) -> BootableRoot:
    """Return the Debian that boots: 12, or those that the environment names."""
    return need_root(lambda: bootable_root(request.param))


@pytest.fixture(scope="session")
def bundle(root: Path, system: BootableRoot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an archive for that system's Python, as `make bundle` makes one."""
    folder = tmp_path_factory.mktemp("bundle")

    def make() -> Path:
        command = [sys.executable, str(root / "tools/make_bundle.py"), str(folder), f"--python={system.python}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_S)
        if done.returncode:
            raise RootUnavailableError(f"the bundle cannot be made: {done.stderr[-300:]}")
        (archive,) = folder.glob("*.tar")
        return archive

    return need_root(make)


@pytest.fixture(scope="session")
def bare(bundle: Path, system: BootableRoot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """Return a system that has booted and on which nothing is installed; the bundle is in /shared."""
    machine = need_root(lambda: Booted(system, tmp_path_factory.mktemp("machine")))
    try:
        shutil.copy(bundle, machine.shared / "bundle.tar")
        shutil.copy(bundle.parent / "install.sh", machine.shared / "install.sh")
        yield machine
    finally:
        machine.close()


@pytest.fixture(scope="session")
def files_before(bare: Booted) -> set[str]:
    """Return every file that was there before the installation."""
    return all_files(bare)


@pytest.fixture(scope="session")
def machine(bare: Booted, files_before: set[str]) -> Booted:
    """Return the system with the service installed, from the bundle."""
    bare.run("/shared/install.sh", "--offline", "/shared/bundle.tar", timeout_s=INSTALL_S)
    site = f"/opt/mnv2-edge/current/venv/lib/python{bare.python}/site-packages"
    bare.write(f"{site}/faulty_task.py", FAULTY_TASK)
    bare.write(f"{site}/faulty_task-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: faulty-task\nVersion: 1\n")
    points = "[mnv2_engines.tasks]\nfaulty = faulty_task:Faulty\n"
    bare.write(f"{site}/faulty_task-1.dist-info/entry_points.txt", points)
    return bare


Measured = Callable[[str], None]


@pytest.fixture
def measured(system: BootableRoot) -> Measured:
    """Return what has a figure printed at the end: docs/operations.md has those of a quiet machine."""
    return lambda line: _MEASURED.append(f"Python {system.python}: {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    if _MEASURED:
        terminalreporter.section("measured")
        for line in _MEASURED:
            terminalreporter.line(line)


Start = Callable[..., "Instance"]


@pytest.fixture
def instance(machine: Booted) -> Iterator[Start]:
    """Return what makes an instance with a configuration; it is stopped at the end."""
    made: list[Instance] = []

    def make(name: str, text: str) -> Instance:
        one = Instance(machine, name)
        one.configure(text)
        made.append(one)
        return one

    yield make
    for one in made:
        machine.run("systemctl", "stop", one.unit, check=False)
        machine.run("systemctl", "reset-failed", one.unit, check=False)
        machine.run("rm", "-f", f"/etc/mnv2-edge/{one.name}.yaml")
