"""Compile a test's network, keep the graphs in between, and judge both files against independent references."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tflite.graph import Graph
from mnv2_engines.tflite.importer.onnx_reader import read_onnx
from mnv2_engines.tflite.importer.translate import translate
from mnv2_engines.tflite.passes import simplify
from mnv2_engines.tflite.quantiser.calibration import calibrate, normalised
from mnv2_engines.tflite.quantiser.quantise import Quantised, QuantiserOptions, quantise
from mnv2_engines.tflite.runner import Runner
from mnv2_engines.tflite.writer import write_tflite
from support.onnx_networks import run_onnx
from support.simulation import real, simulate, stored

PLAIN = Preprocess()


@dataclass
class Stages:
    """Hold what the compiler makes of one network on its way."""

    path: Path
    graph: Graph
    quantised: Quantised
    preprocess: Preprocess


def compile_stages(path, pictures, preprocess=PLAIN, options=None) -> Stages:
    graph = translate(read_onnx(path)).graph
    simplify(graph)
    observations = calibrate(graph, pictures, preprocess, threads=1)
    return Stages(path, graph, quantise(graph, preprocess, observations, options or QuantiserOptions()), preprocess)


def float_error(stages, picture, *, exact=False) -> float:
    """Return the largest difference from ONNX Runtime, relative to the largest output (at least 1)."""
    values = normalised(picture, stages.preprocess, stages.graph.inputs[0].shape)
    with Runner(write_tflite(stages.graph), threads=1) as runner:
        ours = [array for _, array in runner.run(values)]
    theirs = run_onnx(stages.path, np.ascontiguousarray(values.transpose(0, 3, 1, 2)), exact=exact)
    worst = 0.0
    for mine, reference in zip(ours, theirs, strict=True):
        assert mine.shape == reference.shape
        worst = max(worst, float(np.abs(mine - reference).max()) / max(1.0, float(np.abs(reference).max())))
    return worst


def step_error(stages, picture) -> dict[str, float]:
    """Return, per int8 activation, how many steps LiteRT is off the simulation given the same integers in front.

    A float32 activation behind a DEQUANTIZE counts in thousandths of its largest value.
    """
    graph = stages.quantised.graph
    activations = graph.activations()
    with Runner(write_tflite(graph, outputs=activations), threads=1) as runner:
        seen = dict(runner.run(engine_bytes(stages, picture)))
    arrays = {tensor.name: seen[tensor.name] for tensor in activations}
    arrays[graph.inputs[0].name] = engine_bytes(stages, picture)
    errors = {}
    for node in graph.nodes:
        inputs = [arrays[t.name] if t.data is None else t.data for t in node.inputs]
        expected, found = simulate(node, inputs), arrays[node.output.name]
        if node.output.dtype == "int8":
            difference = np.abs(stored(node.output, expected).astype(int) - found.astype(int)).max()
        elif node.operator.builtin == "ARG_MAX":
            difference = float((expected != found).any())
        else:
            difference = np.abs(expected - found).max() / max(1e-3, np.abs(expected).max()) * 1000
        errors[node.output.name] = float(difference)
    return errors


def end_to_end_steps(stages, picture) -> float:
    """Return how many output steps LiteRT is away from the simulation of the whole graph."""
    graph = stages.quantised.graph
    arrays = {graph.inputs[0].name: engine_bytes(stages, picture)}
    for node in graph.nodes:
        inputs = [arrays[t.name] if t.data is None else t.data for t in node.inputs]
        arrays[node.output.name] = stored(node.output, simulate(node, inputs))
    with Runner(write_tflite(graph), threads=1) as runner:
        found = dict(runner.run(engine_bytes(stages, picture)))
    worst = 0.0
    for tensor in graph.outputs:
        difference = np.abs(real(tensor, arrays[tensor.name]) - real(tensor, found[tensor.name])).max()
        step = (
            float(tensor.scales.scale[0])
            if tensor.scales is not None
            else max(1e-3, np.abs(found[tensor.name]).max()) / 255
        )
        worst = max(worst, float(difference) / step)
    return worst


def delegated(stages) -> bool:
    """Say whether XNNPACK takes the int8 graph in one piece, whatever is named after it."""
    with Runner(write_tflite(stages.quantised.graph), threads=1) as runner:
        return runner.operators().count("DELEGATE") == 1


def engine_bytes(stages, picture):
    return (picture ^ 0x80).view(np.int8)[None]
