"""Measurement of an engine that was just made: against the float network, and once for its golden test."""

from collections.abc import Sequence
from contextlib import closing

import numpy as np

from mnv2_engines.backends import Backend
from mnv2_engines.building.builder import BuildProgress, FloatNetwork
from mnv2_engines.building.request import BuildRequest, Pictures
from mnv2_engines.building.verification import PictureNetwork, Verification, compare_networks
from mnv2_engines.engine.device import describe_device
from mnv2_engines.engine.facts import GoldenTest, LayerFacts
from mnv2_engines.preprocessing.pixel_table import pixel_table
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.proof.golden import RawBackend, record_golden, shrink_picture, test_card

__all__ = ["final_operators", "measure", "record_first_answer"]


def measure(
    engine: Backend,
    reference: FloatNetwork,
    request: BuildRequest,
    preprocess: Preprocess,
    progress: BuildProgress,
    layers: Sequence[LayerFacts] = (),
) -> Verification:
    """Compare an engine with the float network on the pictures for verification, on a test card where there are none.

    One drawn picture shows a network that does not compute at all, and no more. `preprocess` is what the engine needs.
    Raises InferenceError.
    """
    with closing(reference.open_float(request.threads)) as network:
        pictures = request.validation
        if not pictures.items:
            pictures = Pictures("a test card", (test_card(*network.input_spec.size_hw),))
        return compare_networks(
            PictureNetwork(network, reference.float_preprocess),
            PictureNetwork(engine, preprocess),
            pictures.items,
            outputs=reference.outputs,
            source=pictures.source,
            task=request.task,
            layers=layers,
            progress=lambda done, total: progress("verify", done, total),
        )


def record_first_answer(engine: RawBackend, request: BuildRequest, preprocess: Preprocess) -> GoldenTest:
    """Return the golden test of an engine, on the request's golden picture or a test card."""
    picture = request.golden_picture()
    spec = engine.input_spec
    thumbnail = shrink_picture(test_card(*spec.size_hw) if picture is None else picture)
    table = pixel_table(spec, preprocess)
    return record_golden(engine, table[thumbnail, np.arange(3)], describe_device())


def final_operators(reference: FloatNetwork) -> dict[str, str]:
    """Return by output what makes it, for a runtime that does not tell: a task must know whether it is a softmax."""
    with closing(reference.open_float()) as network:
        operators = network.report().final_operators
        return {spec.name: operator for spec, operator in zip(network.output_specs, operators, strict=True)}
