"""Say what a TensorRT plan is bound to, and how that differs from what is here."""

from pathlib import Path
from types import ModuleType
from typing import Final

from mnv2_engines.cuda import Gpu
from mnv2_engines.cuda.opening import open_cuda
from mnv2_engines.facts import TensorRtFacts
from mnv2_engines.tensorrt.jetson import read_jetson
from mnv2_engines.tensorrt.module import import_tensorrt

__all__ = ["describe_tensorrt", "find_differences", "read_fingerprint"]

_COMPARED: Final = (
    ("tensorrt", "TensorRT"),
    ("cuda", "CUDA"),
    ("l4t", "L4T"),
    ("gpu", "GPU"),
    ("compute_capability", "compute capability"),
)


def describe_tensorrt(trt: ModuleType, gpu: Gpu, root: Path = Path("/")) -> TensorRtFacts:
    """Return what a plan that is built here and now is bound to; `root` is where the system's files are."""
    jetson = read_jetson(root)
    return TensorRtFacts(
        tensorrt=str(trt.__version__),
        cuda=gpu.driver_cuda,
        l4t=jetson.l4t,
        jetpack=jetson.jetpack,
        gpu=gpu.name,
        compute_capability=gpu.compute_capability,
    )


def read_fingerprint(root: Path = Path("/")) -> TensorRtFacts:
    """Ask TensorRT, the driver and the system. Raises BackendUnavailableError when there is no TensorRT or no GPU."""
    trt = import_tensorrt(root)
    cuda = open_cuda()
    try:
        return describe_tensorrt(trt, cuda.gpu, root)
    finally:
        cuda.close()


def find_differences(built: TensorRtFacts, here: TensorRtFacts) -> tuple[str, ...]:
    """Say what has changed since the plan was built, each as `TensorRT 10.3.0 became 10.7.0`; empty when it still fits.

    What is unknown on one side is not compared: a container does not always see the host's L4T.
    """
    changes = []
    for field, word in _COMPARED:
        before, now = getattr(built, field), getattr(here, field)
        if before and now and before != now:
            changes.append(f"{word} {before} became {now}")
    return tuple(changes)
