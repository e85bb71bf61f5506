"""Fakes of NVIDIA's packages as files, for child processes: put the folder and `tests/` on PYTHONPATH."""

from pathlib import Path

_FILES = {
    "fake_device.py": "from support.fake_gpu import FakeGpu\nGPU = FakeGpu()\n",
    "cuda/__init__.py": "",
    "cuda/bindings/__init__.py": "",
    "cuda/bindings/runtime.py": """
from fake_device import GPU
from support.fake_cuda import make_cudart
globals().update(vars(make_cudart(GPU)))
""",
    "tensorrt.py": """
import os
from fake_device import GPU
from support.fake_tensorrt import make_tensorrt
from support.fake_tensorrt_builder import add_builder
module = make_tensorrt(GPU, os.environ.get("FAKE_TENSORRT", "10.3.0"))
add_builder(module)
globals().update(vars(module))
""",
}
TESTS = Path(__file__).parents[1]


def write_fake_packages(folder: Path) -> str:
    """Write them and return what PYTHONPATH has to be; the variable FAKE_TENSORRT says which version to be."""
    for name, content in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return f"{folder}:{TESTS}"
