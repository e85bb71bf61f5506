"""Engine formats as entry points: found by name, ending and first bytes, and imported one at a time."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from mnv2_engines.backends.format import HEAD_BYTES
from mnv2_engines.backends.registry import GROUP, detect_format, find_format, format_names, formats, require_building
from mnv2_engines.engine.engine import is_engine_file, read_engine
from mnv2_engines.errors import UnknownFormatError

FOREIGN = """
from mnv2_engines.backends.format import EngineFormat
FORMAT = EngineFormat(name="foreign", title="Foreign", suffixes=(".frn",), open=None)
"""


@pytest.fixture
def register(tmp_path, monkeypatch):
    """Return what installs a package with an engine format, as pip leaves it behind."""

    def write(package: str, target: str, code: str = "", name: str = "foreign") -> None:
        site = tmp_path / package
        info = site / f"{package}-1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {target}\n")
        (site / f"{package}_module.py").write_text(code)
        monkeypatch.syspath_prepend(site)
        monkeypatch.delitem(sys.modules, f"{package}_module", raising=False)
        importlib.invalidate_caches()

    return write


def test_ours_are_registered_like_anybodys() -> None:
    assert {"litert", "tensorrt"} <= set(format_names())
    for name in ("litert", "tensorrt"):
        assert find_format(name).name == name


def test_a_foreign_one_is_found_by_its_ending(register) -> None:
    register("foreign", "foreign_module:FORMAT", FOREIGN)
    assert "foreign" in format_names()
    found = detect_format(Path("net.frn"), b"")
    assert found is find_format("foreign")
    assert is_engine_file(Path("net.frn"))
    with pytest.raises(UnknownFormatError, match="engines that are made elsewhere: build one of litert, tensorrt"):
        require_building("foreign")


def test_first_bytes_come_before_the_ending() -> None:
    head = b"\0\0\0\0TFL3".ljust(HEAD_BYTES, b"\0")
    assert detect_format(Path("net.plan"), head) is find_format("litert")
    assert detect_format(Path("net.plan"), b"ftrt") is find_format("tensorrt")
    assert detect_format(Path("net.xyz"), b"ftrt") is None


def test_one_that_is_not_installed_is_named_with_what_to_do(install) -> None:
    path = install(b"any bytes", target="onnxruntime")
    with pytest.raises(UnknownFormatError) as caught:
        read_engine(path)
    assert str(caught.value).startswith(f"{path} cannot be run here: 'onnxruntime' is an engine format that no ")
    assert "pip install" in str(caught.value)


@pytest.mark.parametrize(
    ("target", "code", "message"),
    [
        ("nowhere:FORMAT", "", "No module named 'nowhere'"),
        ("foreign_module:FORMAT", "", "has no attribute 'FORMAT'"),
        ("foreign_module:FORMAT", "def FORMAT(path): ...", "expected an EngineFormat of that name"),
        ("foreign_module:FORMAT", FOREIGN.replace('"foreign"', '"another"'), "expected an EngineFormat of that name"),
    ],
)
def test_a_broken_one_is_named_and_stops_no_other(register, target, code, message) -> None:
    register("foreign", target, code)
    with pytest.raises(UnknownFormatError, match=message):
        find_format("foreign")
    assert {form.name for form in formats()} >= {"litert", "tensorrt"}


def test_a_name_that_two_packages_claim_is_refused(register) -> None:
    register("one", "one_module:FORMAT", FOREIGN)
    register("two", "two_module:FORMAT", FOREIGN)
    with pytest.raises(UnknownFormatError, match="'foreign' is claimed by several packages"):
        find_format("foreign")


HEAVY = ("numpy", "cv2", "onnx", "ai_edge_litert", "tensorrt", "mnv2_engines.tflite.compiler")


def test_telling_files_apart_imports_nothing_heavy() -> None:
    code = f"""
import sys
from pathlib import Path
from mnv2_engines.backends.registry import detect_format, find_format
find_format("litert")
assert "mnv2_engines.tensorrt.format" not in sys.modules, "naming one imports another"
assert detect_format(Path("x.plan"), b"").name == "tensorrt"
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
