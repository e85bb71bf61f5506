"""Quantise with and without clipping, and keep what follows the float network better.

No rule tells beforehand: clipping gained 0.3 dB on a classifier and lost 1.4 dB on a detector, and how both do on a few
calibration pictures foretold how they do on others (docs/quantisation.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mnv2_engines.preprocess import Preprocess
from mnv2_engines.tensors import FloatArray, UInt8Array
from mnv2_engines.tflite.calibrate import Observation, normalised
from mnv2_engines.tflite.graph import Graph
from mnv2_engines.tflite.pixels import pixels_to_input
from mnv2_engines.tflite.quantise import Quantised, QuantiserOptions, quantise
from mnv2_engines.tflite.runner import Runner
from mnv2_engines.tflite.writer import write_tflite

__all__ = ["quantise_best"]

TRIAL_PICTURES = 16


def quantise_best(
    graph: Graph,
    pictures: Sequence[UInt8Array],
    preprocess: Preprocess,
    observations: Mapping[str, Observation],
    options: QuantiserOptions,
    *,
    threads: int,
) -> Quantised:
    """Quantise as `options` say; where they leave the range search open, try both ways on some of the pictures."""
    if options.range_search is not None:
        return quantise(graph, preprocess, observations, options)
    candidates = [
        quantise(graph, preprocess, observations, replace(options, range_search=search)) for search in (True, False)
    ]
    tried = pictures[:: max(1, len(pictures) // TRIAL_PICTURES)][:TRIAL_PICTURES]
    exact = _float_answers(graph, candidates[0].answers, tried, preprocess, threads)
    noises = [_noise(candidate, exact, tried, threads) for candidate in candidates]
    return candidates[int(np.argmin(noises))]


def _float_answers(
    graph: Graph, names: Sequence[str], pictures: Sequence[UInt8Array], preprocess: Preprocess, threads: int
) -> list[dict[str, FloatArray]]:
    tensors = {tensor.name: tensor for tensor in graph.activations()}
    shape = graph.inputs[0].shape
    with Runner(write_tflite(graph, outputs=[tensors[name] for name in names]), threads=threads) as runner:
        return [dict(runner.run_dequantised(normalised(picture, preprocess, shape))) for picture in pictures]


def _noise(
    candidate: Quantised, exact: Sequence[Mapping[str, FloatArray]], pictures: Sequence[UInt8Array], threads: int
) -> float:
    """Return the power of the error relative to the signal, mean over the answers' decibels."""
    tensors = {tensor.name: tensor for tensor in candidate.graph.activations()}
    signal, noise = dict.fromkeys(candidate.answers, 1e-30), dict.fromkeys(candidate.answers, 1e-30)
    outputs = [tensors[name] for name in candidate.answers]
    with Runner(write_tflite(candidate.graph, outputs=outputs), threads=threads) as runner:
        for picture, wanted in zip(pictures, exact, strict=True):
            for name, found in runner.run_dequantised(pixels_to_input(picture, candidate.pixels)):
                signal[name] += float(np.square(wanted[name], dtype=np.float64).sum())
                noise[name] += float(np.square(wanted[name] - found, dtype=np.float64).sum())
    return float(np.mean([np.log10(noise[name] / signal[name]) for name in candidate.answers]))
