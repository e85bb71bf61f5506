"""Sightings for whoever draws and saves."""

import dataclasses
import time

import numpy as np
import pytest

from mnv2_edge.frames import Frame
from mnv2_edge.pipeline.viewers import InferredFrame
from mnv2_edge.records import Result
from mnv2_edge.testing import sample_records


@pytest.fixture
def make_sighting():
    """Return what makes a sighting of a grey frame of 160x120, RGB, with these findings in it."""
    template = next(record for record in sample_records() if isinstance(record, Result))

    def make(*, frame=0, live=True, camera="cam", captured_ns=None, class_map=None, pixels=None, cut=None, **findings):
        if pixels is None:
            pixels = np.full((120, 160, 3), 100, np.uint8)
        captured_ns = captured_ns or time.monotonic_ns()
        shown = Frame(pixels, "RGB", frame, captured_ns, camera, cut=cut)
        findings = {"predictions": (), **findings}
        result = dataclasses.replace(template, camera=camera, frame=frame, **findings)
        return InferredFrame(shown, result, class_map, live)

    return make
