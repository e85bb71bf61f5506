"""The compiler from ONNX to TFLite: the public entrance of this package."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from mnv2_engines.errors import ModelError
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tensors import Quantization, TensorSpec, UInt8Array
from mnv2_engines.tflite.graph import Graph, Tensor
from mnv2_engines.tflite.importer.onnx_reader import read_onnx
from mnv2_engines.tflite.importer.translate import translate
from mnv2_engines.tflite.passes import simplify
from mnv2_engines.tflite.quantiser.calibration import Moments, calibrate
from mnv2_engines.tflite.quantiser.quantise import QuantiserOptions, quantise
from mnv2_engines.tflite.writer import write_tflite

__all__ = ["CompiledModel", "Layer", "ModelInterface", "Progress", "compile_model", "read_model_interface"]

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the phase (`read`, `calibrate`, `quantise`, `write`), steps done, and steps in all."""


@dataclass(frozen=True, slots=True)
class ModelInterface:
    """A network before it is compiled."""

    input: TensorSpec
    """float32, NCHW as a rule, NHWC where the file is so; `size_hw` is the size that pictures need."""
    outputs: tuple[TensorSpec, ...]
    """In the file's order and layout."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Name of one activation that the float and the int8 file share."""

    name: str
    """The tensor's name in both files."""
    node: str
    """The ONNX node that it comes from."""
    operator: str
    """The TFLite operator that makes it."""
    channel_factors: tuple[float, ...] = ()
    """Per channel, by what equalisation multiplied it in the int8 file; empty for a layer that it did not change."""
    elements: int = 0
    """How many numbers the activation has."""


@dataclass(frozen=True, slots=True)
class CompiledModel:
    """A compiled network and what is needed to verify it."""

    tflite: bytes
    """The engine: int8, or float32 when so built."""
    float_tflite: bytes
    """The same network in float32, as ONNX defines it: the reference."""
    input: TensorSpec
    """Of `tflite`: NHWC, with its quantisation."""
    outputs: tuple[TensorSpec, ...]
    """Of `tflite`, in ONNX's order, names and layout, with their quantisation where they are int8."""
    preprocess: Preprocess
    """What `tflite` expects; mean and std differ from the network's own where they were folded into its weights."""
    float_preprocess: Preprocess
    """What `float_tflite` expects: the network's own."""
    layers: tuple[Layer, ...]


def read_model_interface(path: Path) -> ModelInterface:
    """Read what a network takes and returns, and find out early whether it compiles; about 0.1 s for a MobileNetV2.

    Raises ModelError for an unreadable file, UnsupportedOperatorError for an operator that cannot be compiled.
    """
    translation = translate(read_onnx(path))
    return ModelInterface(translation.input, translation.outputs)


def compile_model(
    model: Path,
    *,
    pictures: Sequence[UInt8Array],
    preprocess: Preprocess,
    precision: Literal["int8", "fp32"] = "int8",
    threads: int = 1,
    options: QuantiserOptions | None = None,
    progress: Progress | None = None,
) -> CompiledModel:
    """Compile a network; `pictures` calibrate an int8 build and may be empty for fp32.

    Pictures are uint8 [height, width, 3] of the network's size, channels in the order of `preprocess.color`. The same
    arguments give the same bytes on one machine, whatever `threads`. Raises ModelError; BackendUnavailableError where
    ai-edge-litert or onnx is missing.
    """
    report = progress or _ignore
    report("read", 0, 1)
    translation = translate(read_onnx(model))
    graph, output_specs = translation.graph, translation.outputs
    simplify(graph)
    report("read", 1, 1)
    if precision == "fp32":
        tflite = write_tflite(graph)
        return CompiledModel(
            tflite,
            tflite,
            _spec(graph.inputs[0], "NHWC"),
            output_specs,
            preprocess,
            preprocess,
            _layers(graph, graph, {}),
        )
    if not pictures:
        raise ModelError(
            "int8 needs calibration pictures and got none: about 50 that look like what the camera will see"
        )
    observations = calibrate(
        graph, pictures, preprocess, threads=threads, progress=lambda done, total: report("calibrate", done, total)
    )
    report("quantise", 0, 1)
    quantised = quantise(graph, preprocess, observations, options or QuantiserOptions())
    int8 = quantised.graph
    report("quantise", 1, 1)
    report("write", 0, 1)
    compiled = CompiledModel(
        tflite=write_tflite(int8),
        float_tflite=write_tflite(graph),
        input=_spec(int8.inputs[0], "NHWC"),
        outputs=tuple(
            replace(spec, dtype=t.dtype, quantization=_quantization(t))
            for spec, t in zip(output_specs, int8.outputs, strict=True)
        ),
        preprocess=quantised.pixels.preprocess,
        float_preprocess=preprocess,
        layers=_layers(graph, int8, quantised.factors),
    )
    report("write", 1, 1)
    return compiled


def _layers(reference: Graph, graph: Graph, factors: Mapping[str, Moments]) -> tuple[Layer, ...]:
    known = {tensor.name for tensor in reference.activations() if tensor.dtype == "float32"}
    return tuple(
        Layer(
            name=tensor.name,
            node=node.origin,
            operator=node.operator.builtin,
            channel_factors=tuple(map(float, factors.get(tensor.name, ()))),
            elements=tensor.size,
        )
        for node in graph.nodes
        for tensor in node.outputs
        if tensor.name in known
    )


def _spec(tensor: Tensor, layout: Literal["NHWC"]) -> TensorSpec:
    return TensorSpec(tensor.name, tensor.shape, tensor.dtype, layout, _quantization(tensor))


def _quantization(tensor: Tensor) -> Quantization | None:
    if tensor.scales is None or tensor.dtype != "int8":
        return None
    return Quantization(float(tensor.scales.scale[0]), tensor.scales.zero_point)


def _ignore(phase: str, done: int, total: int) -> None:
    del phase, done, total
