"""A wheel, an sdist and an editable installation each bring both packages, whole, into a clean environment."""

import tarfile
import zipfile
from pathlib import Path

import pytest

from mnv2_edge import __version__

WHERE = "import mnv2_edge, mnv2_engines; print(mnv2_edge.__file__); print(mnv2_engines.__file__)"


def packages(environment) -> list[Path]:
    return [Path(line).parent for line in environment.run("-c", WHERE).stdout.splitlines()]


def test_before_anything_is_installed_there_is_nothing(environment):
    """Else the tests below would find the packages of the checkout, whatever was installed."""
    environment.lend_dependencies()
    assert "ModuleNotFoundError" in environment.run("-c", WHERE, check=False).stderr


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_distribution_brings_both_packages_and_the_command(kind, environment, distributions):
    environment.install(getattr(distributions, kind))
    assert packages(environment) == [environment.site / "mnv2_edge", environment.site / "mnv2_engines"]
    environment.lend_dependencies()
    done = environment.run(environment.folder / "bin" / "mnv2-edge", "--version")
    assert done.stdout == f"mnv2-edge {__version__}\n"
    done = environment.run("-m", "mnv2_edge", "run", "--camera", "demo?frames=5", "--pace", "max", "--format", "jsonl")
    assert len(done.stdout.splitlines()) == 5


def test_an_editable_installation_uses_the_checkout(environment, root):
    environment.install("--editable", root)
    assert packages(environment) == [root / "edge" / "mnv2_edge", root / "engines" / "mnv2_engines"]
    environment.lend_dependencies()
    assert "mnv2_edge.sinks" in environment.run("-m", "mnv2_edge", "plugins").stdout


def test_the_wheel_is_whole_and_holds_nothing_else(distributions, root):
    with zipfile.ZipFile(distributions.wheel) as archive:
        names = set(archive.namelist())
    assert {name.split("/")[0] for name in names} == {
        "mnv2_edge",
        "mnv2_engines",
        f"mnv2_edge-{__version__}.dist-info",
    }
    sources = {
        str(path.relative_to(root / folder))
        for folder in ("edge", "engines")
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources - names == set()
    assert {"mnv2_edge/py.typed", "mnv2_engines/py.typed", "mnv2_engines/demo/demo.tflite"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_sdist_holds_what_its_own_tests_need(distributions):
    with tarfile.open(distributions.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "Makefile", "LICENSE", "README.md", "tests/conftest.py"} <= names
    assert "docs/examples/plugin/pyproject.toml" in names
    assert not any("__pycache__" in name or name.startswith(".venv") for name in names)
