"""Comparison of a compiled network with its own float graph: outputs, and layer by layer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mnv2_engines.parity import Noise
from mnv2_engines.tensors import FloatArray, TensorArray, UInt8Array
from mnv2_engines.tflite.compiler import CompiledModel, Layer
from mnv2_engines.tflite.quantiser.calibration import normalised
from mnv2_engines.tflite.runner import Runner
from mnv2_engines.tflite.writer import with_outputs

__all__ = ["LayerLoss", "compare_layers", "engine_input", "run_float", "run_int8"]

MAX_COMPARED_ELEMENTS = 2 << 20
"""Elements of the activations that are compared at once: 10 MB, a quarter of a MobileNetV2."""


@dataclass(frozen=True, slots=True)
class LayerLoss:
    """How well one int8 activation follows the float one."""

    name: str
    node: str
    """The ONNX node."""
    operator: str
    """The TFLite operator."""
    sqnr_db: float | None
    """Signal to quantisation noise over all pictures (`parity.Noise`); None when it is equal to the last bit."""


def run_float(
    compiled: CompiledModel, pictures: Sequence[UInt8Array], *, threads: int = 1
) -> Iterator[tuple[FloatArray, ...]]:
    """Yield the reference's outputs per picture, in the model's order; pictures as for `compile_model`."""
    with Runner(compiled.float_tflite, threads=threads) as runner:
        for picture in pictures:
            real = normalised(picture, compiled.float_preprocess, compiled.input.shape)
            yield tuple(values for _, values in runner.run_dequantised(real))


def run_int8(
    compiled: CompiledModel, pictures: Sequence[UInt8Array], *, threads: int = 1
) -> Iterator[tuple[FloatArray, ...]]:
    """Yield the engine's outputs per picture, dequantised, in the model's order; pictures as for `compile_model`."""
    with Runner(compiled.tflite, threads=threads) as runner:
        for picture in pictures:
            yield tuple(values for _, values in runner.run_dequantised(engine_input(compiled, picture)))


def compare_layers(
    compiled: CompiledModel, pictures: Sequence[UInt8Array], *, threads: int = 1
) -> tuple[LayerLoss, ...]:
    """Run both files with every shared activation as an output; return each layer's loss, in the network's order.

    Layers are taken a few megabytes at a time, which runs the networks several times and keeps memory low.
    """
    return tuple(loss for group in _groups(compiled.layers) for loss in _losses(compiled, group, pictures, threads))


def _groups(layers: Sequence[Layer]) -> Iterator[list[Layer]]:
    group: list[Layer] = []
    for layer in layers:
        if group and sum(taken.elements for taken in group) + layer.elements > MAX_COMPARED_ELEMENTS:
            yield group
            group = []
        group.append(layer)
    if group:
        yield group


def _losses(
    compiled: CompiledModel, layers: Sequence[Layer], pictures: Sequence[UInt8Array], threads: int
) -> list[LayerLoss]:
    names = [layer.name for layer in layers]
    factors = {layer.name: np.array(layer.channel_factors, np.float32) for layer in layers if layer.channel_factors}
    noises = {name: Noise() for name in names}
    with (
        Runner(with_outputs(compiled.float_tflite, names), threads=threads) as reference,
        Runner(with_outputs(compiled.tflite, names), threads=threads) as engine,
    ):
        for picture in pictures:
            real = normalised(picture, compiled.float_preprocess, compiled.input.shape)
            integers = engine_input(compiled, picture)
            pairs = zip(reference.run_dequantised(real), engine.run_dequantised(integers), strict=True)
            for (name, exact), (_, rounded) in pairs:
                noises[name].add(exact, rounded / factors[name] if name in factors else rounded)
    return [LayerLoss(layer.name, layer.node, layer.operator, noises[layer.name].sqnr_db) for layer in layers]


def engine_input(compiled: CompiledModel, picture: UInt8Array) -> TensorArray:
    """Turn a picture into the engine's input tensor, by the formula that XOR 0x80 is a shortcut for."""
    real = normalised(picture, compiled.preprocess, compiled.input.shape)
    quantization = compiled.input.quantization
    if quantization is None:
        return real
    integers = np.round(real.astype(np.float64) / quantization.scale) + quantization.zero_point
    return np.clip(integers, -128, 127).astype(np.int8)
