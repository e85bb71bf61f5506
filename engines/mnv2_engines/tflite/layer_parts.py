"""Compare layers a few at a time, so that a small board has the memory for it."""

import dataclasses
from collections.abc import Iterator, Sequence
from math import prod
from typing import Final

from mnv2_engines.tensors import UInt8Array
from mnv2_engines.tflite.compiler import CompiledModel, Layer
from mnv2_engines.tflite.reference import LayerLoss, compare_layers

__all__ = ["compare_layers_in_parts"]

_PART_BYTES: Final = 8 << 20
"""Of float activations looked at in one run: each keeps memory of its own in both networks while one is looked at."""
_FLOAT_BYTES: Final = 4


def compare_layers_in_parts(
    compiled: CompiledModel, pictures: Sequence[UInt8Array], *, threads: int = 1
) -> tuple[LayerLoss, ...]:
    """Do as `compare_layers`, in several runs over the pictures; a MobileNetV2 at 224 x 224 takes four."""
    return tuple(
        loss
        for part in _parts(compiled)
        for loss in compare_layers(dataclasses.replace(compiled, layers=part), pictures, threads=threads)
    )


def _parts(compiled: CompiledModel) -> Iterator[tuple[Layer, ...]]:
    sizes = _activation_bytes(compiled.float_tflite)
    part: list[Layer] = []
    total = 0
    for layer in compiled.layers:
        size = sizes.get(layer.name, 0)
        if part and total + size > _PART_BYTES:
            yield tuple(part)
            part, total = [], 0
        part.append(layer)
        total += size
    if part:
        yield tuple(part)


def _activation_bytes(tflite: bytes) -> dict[str, int]:
    """Return the size of every tensor of a float file by name, without unpacking its weights."""
    from ai_edge_litert import schema_py_generated as schema

    subgraph = schema.Model.GetRootAs(tflite).Subgraphs(0)
    tensors = (subgraph.Tensors(index) for index in range(subgraph.TensorsLength()))
    return {tensor.Name().decode(): _FLOAT_BYTES * prod(tensor.ShapeAsNumpy().tolist()) for tensor in tensors}
