"""The real cuda-python and pycuda, fetched by `make test-tensorrt`: their names, and what they say without a GPU."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from support.cuda_names import names_in_cudart, names_in_pycuda

pytestmark = pytest.mark.tensorrt

RECORD = json.loads((Path(__file__).parent / "names.json").read_text())
LAYOUTS = {  # the second is the last 12, the third the first with what JetPack 7 needs
    "cuda-python==12.6.0": "cuda.cudart",
    "cuda-bindings==12.9.4": "cuda.bindings.runtime",
    "cuda-bindings==13.5.0": "cuda.bindings.runtime",
}


def fetch(folder: Path, *arguments: str) -> None:
    """Run pip once for a folder; what it left there is taken the next time."""
    if (folder / ".fetched").exists():
        return
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, *arguments], capture_output=True, text=True, check=False)
    if "No matching distribution" in done.stderr:
        pytest.skip(f"{arguments[-1]} has no wheel for this Python")
    assert done.returncode == 0, done.stderr
    (folder / ".fetched").touch()


@pytest.fixture(params=LAYOUTS)
def package(request, pytestconfig):
    folder = Path(pytestconfig.cache.mkdir(f"cuda-{request.param.replace('==', '-')}"))
    needs = ["cuda-pathfinder"] if "bindings" in request.param else []
    fetch(folder, "install", "--no-deps", "--target", str(folder), *needs, request.param)
    return folder, LAYOUTS[request.param]


def test_it_has_every_name_with_as_many_arguments(package) -> None:
    recorded = RECORD["cuda-python"]["names"]
    real = names_in_cudart(*package)
    assert {name: real.get(name, "missing") for name in recorded} == recorded


def test_without_a_driver_it_gives_our_message(package) -> None:
    folder, _ = package
    code = """
from mnv2_engines.cuda.runtime import open_cuda
from mnv2_engines.errors import BackendUnavailableError
try:
    open_cuda()
except BackendUnavailableError as exc:
    print(exc)
"""
    path = f"{folder}:{Path(__file__).parents[3] / 'engines'}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("there is no NVIDIA GPU that this process can use (")
    assert "libcuda.so.1" in done.stdout or "cudaErrorInsufficientDriver" in done.stdout
    assert done.stdout.count("\n") == 1


def test_pycuda_has_every_name(pytestconfig) -> None:
    folder = Path(pytestconfig.cache.mkdir("pycuda-2026.1"))
    fetch(folder, "download", "--no-deps", "--no-binary", "pycuda", "--dest", str(folder), "pycuda==2026.1")
    with tarfile.open(next(folder.glob("pycuda-*.tar.gz"))) as archive:
        member = next(name for name in archive.getnames() if name.endswith("src/wrapper/wrap_cudadrv.cpp"))
        wrapper = archive.extractfile(member).read().decode()
    assert set(RECORD["pycuda"]["names"]) <= names_in_pycuda(wrapper)
