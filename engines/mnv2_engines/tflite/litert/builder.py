"""Engines for the CPU: the compiler's TFLite files, verified on LiteRT."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from mnv2_engines.building.builder import BuildProgress, Candidate, versions_of
from mnv2_engines.building.measure import record_first_answer
from mnv2_engines.building.request import BuildRequest
from mnv2_engines.building.verification import PictureNetwork, Verification, compare_networks
from mnv2_engines.engine.facts import GoldenTest, LayerFacts
from mnv2_engines.proof.self_test import load_in_child
from mnv2_engines.tensors import UInt8Array
from mnv2_engines.tflite.compiler import CompiledModel, compile_model
from mnv2_engines.tflite.litert.backend import LiteRtBackend
from mnv2_engines.tflite.reference import compare_layers

__all__ = ["LiteRtBuilder", "verify"]

_LAYER_PICTURES: Final = 8
"""Layers are compared on that many pictures: the ratio of two sums over a layer's activations settles early."""


class LiteRtBuilder:
    """Compiler to int8, or to float32."""

    def build(self, request: BuildRequest, progress: BuildProgress) -> Candidate:
        """Build as `EngineBuilder` says. The same request gives the same bytes on one machine."""
        compiled = compile_model(
            request.model,
            pictures=request.calibration.items,
            preprocess=request.preprocess,
            precision="fp32" if request.precision == "fp32" else "int8",
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
    items = request.validation.items if request.precision == "int8" else ()
    layers: tuple[LayerFacts, ...] = ()
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


def verify(
    compiled: CompiledModel,
    pictures: Sequence[UInt8Array],
    *,
    source: str,
    task: str | None,
    layers: Sequence[LayerFacts] = (),
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Verification:
    """Run both networks over pictures of the network's size, in the order of its colours; there may be none.

    See `compare_networks`. Raises EngineError or InferenceError when LiteRT refuses either network.
    """
    with (
        closing(compiled.open_float(threads)) as reference,
        closing(LiteRtBackend(compiled.tflite, threads=threads)) as engine,
    ):
        return compare_networks(
            PictureNetwork(reference, compiled.float_preprocess),
            PictureNetwork(engine, compiled.preprocess),
            pictures,
            outputs=compiled.outputs,
            source=source,
            task=task,
            layers=layers,
            progress=progress,
        )


def _golden(compiled: CompiledModel, request: BuildRequest) -> GoldenTest:
    with closing(LiteRtBackend(compiled.tflite, threads=request.threads)) as backend:
        return record_first_answer(backend, request, compiled.preprocess)
