"""LiteRT's engine format: TFLite files, which run on any CPU."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from mnv2_engines.backends import Backend
from mnv2_engines.backends.format import Building, EngineFormat, FirstLoad
from mnv2_engines.tflite.identifier import is_tflite

if TYPE_CHECKING:
    from mnv2_engines.building.builder import EngineBuilder

__all__ = ["FORMAT", "LiteRtOptions"]


class LiteRtOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How LiteRT runs a file."""

    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None
    """When absent, one less than the cores, at most 4, at least 1."""


def _open(path: Path, options: LiteRtOptions) -> Backend:
    from mnv2_engines.tflite.litert.backend import open_litert

    return open_litert(path, threads=options.threads)


def _make_builder() -> "EngineBuilder":
    from mnv2_engines.tflite.litert.builder import LiteRtBuilder

    return LiteRtBuilder()


FORMAT: Final = EngineFormat(
    name="litert",
    title="LiteRT",
    suffixes=(".tflite",),
    open=_open,
    options=LiteRtOptions,
    has_magic=is_tflite,
    # DeepLabv3 at 513x513 maps 203 MiB (x86-64, one thread); a damaged shape asks for gigabytes.
    first_load=FirstLoad(memory_bytes=1 << 30, distributions=("ai-edge-litert", "tflite-runtime")),
    building=Building(
        builder=_make_builder,
        precisions=("int8", "fp32"),
        exact=("fp32",),
        preference=lambda _root: 1,  # every machine has a CPU
    ),
)
