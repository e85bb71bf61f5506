"""Guess why an engine loses too much: what the network was told about its pictures, or too few of them."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.facts import LayerFacts
from mnv2_engines.frame_path import FramePreparer
from mnv2_engines.preprocess import ColorOrder, Preprocess
from mnv2_engines.tensors import UInt8Array
from mnv2_engines.tflite import CompiledModel
from mnv2_engines.verification import AS_IT_IS, Verification, class_axis, probabilities

__all__ = [
    "ENOUGH_PICTURES",
    "FEW_PICTURES",
    "explain_doubt",
    "find_causes",
    "is_unsure",
    "surer_contract",
    "worst_layers",
]

FEW_PICTURES: Final = 16
"""Below it ranges and means depend on which pictures they were."""
ENOUGH_PICTURES: Final = 50
_UNSURE: Final = 0.5
"""Mean top-1 probability: a network on pictures of what it was trained on is above, one that is fed wrongly below."""
_MARKED: Final = 0.05
"""How much surer another contract must make the network to be worth a sentence."""
_PICTURES: Final = 16
_NORMALISATIONS: Final[tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...]] = (
    ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),  # TensorFlow's MobileNets, -1 to 1
    ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),  # torchvision's ImageNet weights
    ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),  # 0 to 1
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),  # pixels as they are: the network normalises by itself
)


def is_unsure(found: Verification) -> bool:
    """Tell whether the float network itself hardly knows what it sees."""
    return found.confidence is not None and found.confidence < _UNSURE


def find_causes(
    compiled: CompiledModel, found: Verification, pictures: Sequence[UInt8Array], calibrated_on: int, threads: int
) -> tuple[str, ...]:
    """Name the likeliest causes of a loss in one sentence each, most likely first.

    `pictures` are those of the verification; `calibrated_on` is the number of calibration pictures.
    """
    causes = []
    doubt = explain_doubt(compiled, found, pictures, threads)
    if doubt:
        causes.append(doubt)
    if compiled.tflite != compiled.float_tflite and calibrated_on < ENOUGH_PICTURES:
        causes.append(f"calibrated on {calibrated_on} pictures: 50 to 100 of what the camera will see are needed")
    if len(pictures) < FEW_PICTURES:
        causes.append(
            f"judged by {len(pictures)} pictures: one that differs weighs {100 / max(1, len(pictures)):.0f} %"
        )
    return tuple(causes)


def explain_doubt(
    compiled: CompiledModel, found: Verification, pictures: Sequence[UInt8Array], threads: int
) -> str | None:
    """Say what makes the float network surer of the pictures, or that it is unsure of them; None when all is well."""
    better = surer_contract(compiled, pictures, threads)
    if better is not None:
        contract, score = better
        return (
            f"the float network is surer of these pictures (mean top-1 {score:.2f} instead of "
            f"{found.confidence or 0.0:.2f}) with --color {contract.color} --mean {_numbers(contract.mean)} "
            f"--std {_numbers(contract.std)}"
        )
    if is_unsure(found):
        return (
            f"the float network itself is unsure of these pictures (mean top-1 {found.confidence or 0.0:.2f}): "
            "are they what it was trained on?"
        )
    return None


def worst_layers(layers: Sequence[LayerFacts], count: int) -> tuple[LayerFacts, ...]:
    """Return the layers that follow the float network least, worst first."""
    lossy = (layer for layer in layers if layer.sqnr_db is not None)
    return tuple(sorted(lossy, key=lambda layer: layer.sqnr_db or 0.0)[:count])


def surer_contract(
    compiled: CompiledModel, pictures: Sequence[UInt8Array], threads: int
) -> tuple[Preprocess, float] | None:
    """Return the contract that makes the float classifier markedly surer than the stated one, and its mean top-1.

    Tried on up to 16 pictures: the other colour order, and what networks of this family are commonly trained with.
    None when the stated one is as good as any, or the network is no classifier.
    """
    where = class_axis(compiled.outputs, None)
    if where is None or where.unit != "pictures" or where.axis is None:
        return None
    stated = compiled.float_preprocess
    sample = pictures[:: max(1, len(pictures) // _PICTURES)][:_PICTURES]
    with contextlib.closing(LiteRtBackend(compiled.float_tflite, threads=threads)) as backend:

        def sureness(contract: Preprocess) -> float:
            preparer = FramePreparer(backend.input_spec, dataclasses.replace(contract, resize=AS_IT_IS))
            buffer = backend.allocate_input()
            tops = []
            for picture in sample:
                preparer.prepare(picture, stated.color, buffer)
                tops.append(float(probabilities(backend.infer(buffer)[where.output]).max()))
            return float(np.mean(tops))

        best, score = max(((other, sureness(other)) for other in _others(stated)), key=lambda pair: pair[1])
        return (best, score) if score > sureness(stated) + _MARKED else None


def _others(stated: Preprocess) -> Iterator[Preprocess]:
    swapped: ColorOrder = "BGR" if stated.color == "RGB" else "RGB"
    yield dataclasses.replace(stated, color=swapped)
    for mean, std in _NORMALISATIONS:
        for color in (stated.color, swapped):
            ordered = (mean, std) if color == "RGB" else (mean[::-1], std[::-1])
            other = dataclasses.replace(stated, color=color, mean=ordered[0], std=ordered[1])
            if other != stated:
                yield other


def _numbers(values: tuple[float, float, float]) -> str:
    return ",".join(f"{value:g}" for value in values)
