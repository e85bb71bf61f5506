"""TensorRT's engine format: plans, each of which is a program for one device."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import msgspec

from mnv2_engines.backends import Backend
from mnv2_engines.backends.format import Building, EngineFormat, FirstLoad
from mnv2_engines.tensorrt.jetson import is_jetson

if TYPE_CHECKING:
    from mnv2_engines.building.builder import EngineBuilder
    from mnv2_engines.engine.manifest import Manifest

__all__ = [
    "FORMAT",
    "OPTIMIZATION_LEVEL",
    "WORKSPACE_MIB",
    "GraphMode",
    "MemoryMode",
    "PlanBuilding",
    "TensorRtOptions",
]

MemoryMode: TypeAlias = Literal["auto", "mapped", "copy"]
GraphMode: TypeAlias = Literal["auto", "always", "never"]

WORKSPACE_MIB: Final = 1024
"""More than any layer of a MobileNetV2 uses; TensorRT's own default is all that the GPU has, which is all there is."""
OPTIMIZATION_LEVEL: Final = 3
"""TensorRT's own default, of 0 to 5, from 8.6 on."""


class TensorRtOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a plan is run."""

    memory: MemoryMode = "auto"
    """How frames reach the GPU; `auto` maps them where CPU and GPU share their memory."""
    graph: GraphMode = "auto"
    """Whether a frame's work is launched as one CUDA graph; `auto` does without where it is not possible."""


class PlanBuilding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a plan is built."""

    workspace_mib: Annotated[
        int, msgspec.Meta(ge=1, le=65536, description="what a layer may use for itself while it runs, in MiB")
    ] = WORKSPACE_MIB
    """A Jetson's GPU has no memory of its own."""
    optimization_level: Annotated[
        int, msgspec.Meta(ge=0, le=5, description="how long to look for faster kernels, 0 to 5")
    ] = OPTIMIZATION_LEVEL


def _open(path: Path, options: TensorRtOptions) -> Backend:
    from mnv2_engines.tensorrt.runtime.backend import open_tensorrt

    return open_tensorrt(path, memory=options.memory, graph=options.graph)


def _why_stale(manifest: "Manifest", root: Path) -> str | None:
    from mnv2_engines.tensorrt.fingerprint import explain_changes

    return explain_changes(manifest, root)


def _make_builder() -> "EngineBuilder":
    from mnv2_engines.tensorrt.engine_builder import TensorRtBuilder

    return TensorRtBuilder()


def _require() -> None:
    from mnv2_engines.tensorrt.module import import_tensorrt

    import_tensorrt()


FORMAT: Final = EngineFormat(
    name="tensorrt",
    title="TensorRT",
    suffixes=(".plan", ".engine", ".trt"),
    open=_open,
    options=TensorRtOptions,
    portable=False,
    why_stale=_why_stale,
    repeats_bits=False,  # a GPU need not
    # What is not bound to this device is not deserialised. CUDA reserves more addresses than any device has memory.
    first_load=FirstLoad(before_serving=False, memory_bytes=None),
    building=Building(
        builder=_make_builder,
        precisions=("fp16", "fp32"),
        options=PlanBuilding,
        preference=lambda root: 10 if is_jetson(root) else 0,
        require=_require,
    ),
)
