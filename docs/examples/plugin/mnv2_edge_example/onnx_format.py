"""Run ONNX files as they are, with ONNX Runtime on the CPU: `--model x.onnx`, `build-engine --target onnxruntime`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from mnv2_engines.backends import Backend
from mnv2_engines.backends.format import Building, EngineFormat, FirstLoad

if TYPE_CHECKING:
    from mnv2_engines.building.builder import EngineBuilder

__all__ = ["FORMAT", "OnnxRuntimeOptions"]


class OnnxRuntimeOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `engine: {options: {onnxruntime: {...}}}` may say."""

    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Also `--threads` and `engine.threads`: the name is known."""
    memory_arena: bool = True
    """Whether memory that is free again is kept for the next inference."""


def _open(path: Path, options: OnnxRuntimeOptions) -> Backend:
    from mnv2_edge_example.onnx_backend import OnnxRuntimeBackend

    return OnnxRuntimeBackend.open(path, options)


def _make_builder() -> "EngineBuilder":
    from mnv2_edge_example.onnx_builder import OnnxRuntimeBuilder

    return OnnxRuntimeBuilder()


FORMAT: Final = EngineFormat(
    name="onnxruntime",
    title="ONNX Runtime",
    suffixes=(".onnx",),
    open=_open,
    options=OnnxRuntimeOptions,
    repeats_bits=False,  # the order of a sum depends on how many threads share it
    first_load=FirstLoad(distributions=("onnxruntime",)),
    building=Building(builder=_make_builder, precisions=("fp32",)),
)
