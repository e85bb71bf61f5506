import sys
from pathlib import Path

import pytest

from mnv2_engines.errors import BackendUnavailableError
from mnv2_engines.tensorrt.module import ThisPython, explain_missing, import_tensorrt

SYSTEM = ThisPython((3, 10), "/usr", "/usr", ("/usr/lib/python3/dist-packages",))
VENV = ThisPython((3, 10), "/home/u/.venv", "/usr", ("/home/u/.venv/lib/python3.10/site-packages",))


def jetson(root: Path, l4t: str = "R36 (release), REVISION: 4.0", python: str | None = "python3.10") -> Path:
    (root / "etc").mkdir(parents=True)
    (root / "etc/nv_tegra_release").write_text(f"# {l4t}, GCID: 1, BOARD: generic, EABI: aarch64\n")
    if python:
        (root / "usr/lib" / python / "dist-packages/tensorrt").mkdir(parents=True)
    return root


def test_a_venv_that_does_not_see_the_system(tmp_path: Path) -> None:
    text = explain_missing(VENV, jetson(tmp_path))
    assert "/usr/lib/python3.10/dist-packages, which the virtual environment /home/u/.venv does not see" in text
    assert "`/usr/bin/python3.10 -m venv --system-site-packages /home/u/.venv`" in text


def test_another_python_than_the_systems(tmp_path: Path) -> None:
    other = ThisPython((3, 12), "/home/u/.venv", "/usr", ())
    text = explain_missing(other, jetson(tmp_path))
    assert "is installed for Python 3.10, this is Python 3.12" in text
    assert "`/usr/bin/python3.10 -m venv --system-site-packages .venv`" in text


def test_the_right_version_but_not_the_systems_python(tmp_path: Path) -> None:
    conda = ThisPython((3, 10), "/opt/conda", "/opt/conda", ())
    text = explain_missing(conda, jetson(tmp_path))
    assert "this one is in /opt/conda" in text
    assert "`/usr/bin/python3.10 -m venv" in text


def test_a_jetson_without_the_package(tmp_path: Path) -> None:
    text = explain_missing(SYSTEM, jetson(tmp_path, python=None))
    assert "L4T 36.4.0" in text
    assert text.endswith("`sudo apt install python3-libnvinfer`")


@pytest.mark.parametrize(
    ("release", "words"),
    [
        ("R32 (release), REVISION: 7.4", "L4T 32.7.4 is JetPack 4 with TensorRT 8.2 or older and Python 3.6"),
        ("R35 (release), REVISION: 5.0", "L4T 35.5.0 is JetPack 5 with TensorRT 8.5 and Python 3.8"),
    ],
)
def test_a_jetson_that_is_too_old(release: str, words: str, tmp_path: Path) -> None:
    text = explain_missing(SYSTEM, jetson(tmp_path, release, python="python3.8"))
    assert words in text
    assert "--target litert" in text


def test_a_container_on_a_jetson(tmp_path: Path) -> None:
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/compatible").write_text("nvidia,p3768-0000\0nvidia,tegra234\0")
    assert "not installed in this container" in explain_missing(SYSTEM, tmp_path)


def test_no_jetson_at_all(tmp_path: Path) -> None:
    assert "this is not a Jetson" in explain_missing(SYSTEM, tmp_path)


def test_it_is_on_the_path_but_hidden(tmp_path: Path) -> None:
    isolated = ThisPython((3, 10), "/usr", "/usr", ())
    assert "not on sys.path" in explain_missing(isolated, jetson(tmp_path))


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that puts a module `tensorrt` with this source on the path."""

    def put(source: str) -> None:
        (tmp_path / "tensorrt.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setitem(sys.modules, "tensorrt", None)  # so that what is imported in the test is forgotten after it
        del sys.modules["tensorrt"]

    return put


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "raise ImportError('libnvinfer.so.10: cannot open shared object file: No such file or directory')",
            "libnvinfer.so.10 is missing: `sudo apt install --reinstall tensorrt python3-libnvinfer`",
        ),
        (
            "raise OSError('libnvdla_compiler.so: cannot open shared object file: No such file or directory')",
            "libnvdla_compiler.so is missing, which belongs to the driver: in a container start it with `--runtime",
        ),
        (
            "raise ImportError('numpy.core.multiarray failed to import')",
            "with this numpy: numpy.core.multiarray failed to import: `pip install --constraint",
        ),
        ("import numpy; numpy.no_such_alias", "with this numpy: module 'numpy' has no attribute 'no_such_alias'"),
        ("import no_such_module_of_nvidia", "No module named 'no_such_module_of_nvidia'"),
        ("raise RuntimeError('CUDA_ERROR_X')", "TensorRT cannot be imported: CUDA_ERROR_X"),
    ],
)
def test_an_import_that_fails_says_why(broken, source: str, words: str) -> None:
    broken(source)
    with pytest.raises(BackendUnavailableError) as caught:
        import_tensorrt()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_module_is_returned(broken) -> None:
    broken("__version__ = '10.3.0'")
    assert import_tensorrt().__version__ == "10.3.0"


def test_nothing_is_installed_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(BackendUnavailableError, match=r"not a Jetson.*--target litert"):
        import_tensorrt(tmp_path)
