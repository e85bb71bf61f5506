"""Likely causes of an engine's lost accuracy: a wrong statement about its pictures, or too few of them."""

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.building.verification import AS_IT_IS, Verification, class_axis, probabilities
from mnv2_engines.engine.facts import LayerFacts
from mnv2_engines.preprocessing.frame_path import FramePreparer
from mnv2_engines.preprocessing.preprocess import ColorOrder, Preprocess
from mnv2_engines.tensors import FloatArray, UInt8Array
from mnv2_engines.tflite import CompiledModel

__all__ = [
    "ENOUGH_PICTURES",
    "FEW_PICTURES",
    "better_preprocess",
    "explain_doubt",
    "find_causes",
    "is_doubtful",
    "worst_layers",
]

FEW_PICTURES: Final = 16
"""Below it ranges and means depend on which pictures they were."""
ENOUGH_PICTURES: Final = 50
_UNSURE: Final = 0.5
"""Mean top-1 probability: a network on pictures of what it was trained on is above, one that is fed wrongly below."""
_MARKED: Final = 1.4
"""By which factor another contract must be better to be worth a sentence.

Three classifiers on 20 pictures each (x86-64, 2026-11-24): a contract that only sharpens contrast reaches 1.18 times
the right one's score; the right one 1.6 times that of swapped colours (the demo network), and 3 and 16 times that of
pixels as they are (the two that were trained on photographs).
"""
_PICTURES: Final = 32
_NORMALISATIONS: Final[tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...]] = (
    ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),  # TensorFlow's MobileNets, -1 to 1
    ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),  # torchvision's ImageNet weights
    ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),  # 0 to 1
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),  # pixels as they are: the network normalises by itself
)


def is_doubtful(found: Verification) -> bool:
    """Return whether the float classifier hardly knows what it sees, or takes all of many pictures for one class."""
    if found.confidence is None or len(found.pictures) < FEW_PICTURES:
        return False
    return _is_unsure(found) or len({verdict.float_class for verdict in found.pictures}) == 1


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
            f"judged by {len(pictures)} pictures: one that differs weighs {100 / max(1, len(pictures)):.0f} %, and "
            f"below {FEW_PICTURES} nothing is said about colour order, mean and std"
        )
    return tuple(causes)


def explain_doubt(
    compiled: CompiledModel, found: Verification, pictures: Sequence[UInt8Array], threads: int
) -> str | None:
    """Return how to feed the float network better, or that it is unsure; None when all is well, or of few pictures."""
    if len(pictures) < FEW_PICTURES:
        return None
    better = better_preprocess(compiled, pictures, threads)
    if better is not None:
        contract, sureness = better
        return (
            f"the float network tells these pictures apart better with --color {contract.color} "
            f"--mean {_numbers(contract.mean)} --std {_numbers(contract.std)} (mean top-1 {sureness:.2f}, as stated "
            f"{found.confidence or 0.0:.2f})"
        )
    if _is_unsure(found):
        return (
            f"the float network itself is unsure of these pictures (mean top-1 {found.confidence or 0.0:.2f}): "
            "are they what it was trained on?"
        )
    return None


def worst_layers(layers: Sequence[LayerFacts], count: int) -> tuple[LayerFacts, ...]:
    """Return the layers that follow the float network least, worst first."""
    lossy = (layer for layer in layers if layer.sqnr_db is not None)
    return tuple(sorted(lossy, key=lambda layer: layer.sqnr_db or 0.0)[:count])


def better_preprocess(
    compiled: CompiledModel, pictures: Sequence[UInt8Array], threads: int
) -> tuple[Preprocess, float] | None:
    """Return the contract under which the float classifier answers markedly better, and its mean top-1 there.

    Tried on up to 32 pictures: the other colour order, and what networks of this family are commonly trained with.
    None when the stated one is as good as any, or the network is not a classifier.
    """
    where = class_axis(compiled.outputs, None)
    if where is None or where.unit != "pictures" or where.axis is None:
        return None
    stated = compiled.float_preprocess
    sample = pictures[:: max(1, len(pictures) // _PICTURES)][:_PICTURES]
    with contextlib.closing(LiteRtBackend(compiled.float_tflite, threads=threads)) as backend:

        def ask(contract: Preprocess) -> _Answers:
            preparer = FramePreparer(backend.input_spec, dataclasses.replace(contract, resize=AS_IT_IS))
            buffer = backend.allocate_input()
            rows = []
            for picture in sample:
                preparer.prepare(picture, stated.color, buffer)
                rows.append(probabilities(backend.infer(buffer)[where.output]))
            return _judge(np.array(rows))

        best, answers = max(((other, ask(other)) for other in _others(stated)), key=lambda pair: pair[1].score)
        return (best, answers.sureness) if answers.score > _MARKED * ask(stated).score else None


class _Answers(NamedTuple):
    """How good a classifier's answers look, when the right ones are not known."""

    sureness: float
    """Mean top-1 probability."""
    score: float


def _judge(rows: FloatArray) -> _Answers:
    """Rate the answers, one row of probabilities a picture.

    The score is the sureness times what an answer tells about which picture it is for (mutual information, in nats):
    activations out of range saturate, which makes a network sure of one and the same class whatever it sees.
    """
    sureness = float(rows.max(axis=1).mean())
    information = _entropy(rows.mean(axis=0)) - _entropy(rows)
    return _Answers(sureness, sureness * max(0.0, information))


def _entropy(rows: FloatArray) -> float:
    """Return the mean entropy of distributions along the last axis, in nats."""
    return float(-(rows * np.log(rows + 1e-12)).sum(axis=-1).mean())


def _is_unsure(found: Verification) -> bool:
    return found.confidence is not None and found.confidence < _UNSURE


def _others(stated: Preprocess) -> tuple[Preprocess, ...]:
    swapped: ColorOrder = "BGR" if stated.color == "RGB" else "RGB"
    others = [dataclasses.replace(stated, color=swapped)]
    for mean, std in _NORMALISATIONS:
        for color in (stated.color, swapped):
            ordered = (mean, std) if color == "RGB" else (mean[::-1], std[::-1])
            others.append(dataclasses.replace(stated, color=color, mean=ordered[0], std=ordered[1]))
    return tuple(other for other in dict.fromkeys(others) if other != stated)


def _numbers(values: tuple[float, float, float]) -> str:
    return ",".join(f"{value:g}" for value in values)
