"""A Jetson in a process: fake CUDA and TensorRT modules in `sys.modules`, and a plan with its manifest on the disk."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from mnv2_engines.engine.facts import TensorRtFacts
from mnv2_engines.engine.manifest import encode_manifest, manifest_path
from support.fake_cuda import make_cudart, make_pycuda_driver, modules
from support.fake_gpu import FakeGpu
from support.fake_tensorrt import fake_plan, make_tensorrt
from support.fake_tensorrt_builder import add_builder

PROVIDERS = {
    "cuda-python": ("cuda.bindings.runtime", make_cudart),
    "cuda-python up to 12.6.1": ("cuda.cudart", make_cudart),
    "pycuda": ("pycuda.driver", make_pycuda_driver),
}
ORIN = TensorRtFacts(tensorrt="10.3.0", cuda="12.6", l4t="36.4.0", jetpack="", gpu="Orin", compute_capability="8.7")


class FakeJetson:
    """What a test needs to open plans; `root` holds the system's files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self._monkeypatch = monkeypatch
        self.root = root
        self.gpu = FakeGpu()
        (root / "etc").mkdir(parents=True, exist_ok=True)
        (root / "etc/nv_tegra_release").write_text("# R36 (release), REVISION: 4.0, GCID: 1, BOARD: generic\n")
        self.tensorrt = self.use_tensorrt("10.3.0")
        self.use_provider("cuda-python")

    def use_tensorrt(self, version: str) -> ModuleType:
        self.tensorrt = make_tensorrt(self.gpu, version)
        add_builder(self.tensorrt)
        self._monkeypatch.setitem(sys.modules, "tensorrt", self.tensorrt)
        return self.tensorrt

    def use_provider(self, provider: str | None) -> ModuleType | None:
        """Put one provider's module in place, and none of the others."""
        for name in [name for name in sys.modules if name.partition(".")[0] in {"cuda", "pycuda"}]:
            self._monkeypatch.delitem(sys.modules, name)
        self._monkeypatch.setitem(sys.modules, "cuda", None)
        self._monkeypatch.setitem(sys.modules, "pycuda", None)
        if provider is None:
            return None
        name, make = PROVIDERS[provider]
        module = make(self.gpu)
        for each, found in modules(name, module).items():
            self._monkeypatch.setitem(sys.modules, each, found)
        return module


def write_plan(path: Path, onnx: bytes, describe, *, built: TensorRtFacts | None = ORIN, **changes: object) -> Path:
    """Write a plan and its manifest; `describe` is the fixture `describe_engine`."""
    plan = fake_plan(onnx)
    path.write_bytes(plan)
    manifest = describe(plan, target="tensorrt", precision="fp16", tensorrt=built, **changes)
    manifest_path(path).write_bytes(encode_manifest(manifest))
    return path
