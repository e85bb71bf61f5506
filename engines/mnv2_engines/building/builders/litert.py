"""Engines for the CPU: the compiler's TFLite files, verified on LiteRT."""

from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np

from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.building.builders import BuildProgress, Candidate, versions_of
from mnv2_engines.building.request import BuildRequest
from mnv2_engines.building.verification import Verification, verify
from mnv2_engines.engine.device import describe_device
from mnv2_engines.engine.facts import GoldenTest, LayerFacts
from mnv2_engines.errors import BuildError
from mnv2_engines.preprocessing.pixel_table import pixel_table
from mnv2_engines.proof.golden import record_golden, shrink_picture, test_card
from mnv2_engines.proof.self_test import load_in_child
from mnv2_engines.tflite import CompiledModel, compare_layers, compile_model

__all__ = ["LiteRtBuilder"]

_LAYER_PICTURES: Final = 8
"""Layers are compared on that many pictures: the ratio of two sums over a layer's activations settles early."""


class LiteRtBuilder:
    """Compiler to int8, or to float32."""

    def build(self, request: BuildRequest, progress: BuildProgress) -> Candidate:
        """Build as `EngineBuilder` says. The same request gives the same bytes on one machine."""
        if request.precision == "fp16":
            raise BuildError("LiteRT engines are int8 or fp32: expected one of these, or --target tensorrt for fp16")
        compiled = compile_model(
            request.model,
            pictures=request.calibration.items,
            preprocess=request.preprocess,
            precision=request.precision,
            threads=request.threads,
            progress=progress,
        )
        return Candidate(
            engine=compiled.tflite,
            preprocess=compiled.preprocess,
            reference=compiled,
            verification=_verify(compiled, request, progress),
            golden=_golden(compiled, request),
            runtimes=versions_of("ai-edge-litert", "tflite-runtime", "onnx", "numpy"),
        )

    def check_first_load(self, path: Path) -> None:
        """Load it in a child process: a crash of LiteRT does no harm there."""
        load_in_child(path)


def _verify(compiled: CompiledModel, request: BuildRequest, progress: BuildProgress) -> Verification:
    layers: tuple[LayerFacts, ...] = ()
    items = request.validation.items if request.precision == "int8" else ()
    if items:
        progress("layers", 0, 1)
        sample = items[:: max(1, len(items) // _LAYER_PICTURES)][:_LAYER_PICTURES]
        layers = tuple(
            LayerFacts(name=loss.node or loss.name, operator=loss.operator, sqnr_db=loss.sqnr_db)
            for loss in compare_layers(compiled, sample, threads=request.threads)
        )
        progress("layers", 1, 1)
    return verify(
        compiled,
        items,
        source=request.validation.source,
        task=request.task,
        layers=layers,
        threads=request.threads,
        progress=lambda done, total: progress("verify", done, total),
    )


def _golden(compiled: CompiledModel, request: BuildRequest) -> GoldenTest:
    picture = request.golden_picture()
    thumbnail = shrink_picture(test_card(*compiled.input.size_hw) if picture is None else picture)
    table = pixel_table(compiled.input, compiled.preprocess)
    with closing(LiteRtBackend(compiled.tflite, threads=request.threads)) as backend:
        return record_golden(backend, table[thumbnail, np.arange(3)], describe_device())
