"""Records for sinks."""

import dataclasses

import pytest

from mnv2_edge.records import CameraState, Result
from mnv2_edge.testing import sample_records
from mnv2_engines.predictions import Prediction


@pytest.fixture
def make_result():
    """Return what makes a result: its best label (None: no prediction), frame, camera."""
    template = next(record for record in sample_records() if isinstance(record, Result))

    def make(label="cat", frame=0, camera="cam", score=0.5, age_ms=20.0):
        predictions = () if label is None else (Prediction(1, label, score),)
        return dataclasses.replace(
            template, camera=camera, frame=frame, predictions=predictions, summary=label or "", age_ms=age_ms
        )

    return make


@pytest.fixture
def make_state():
    """Return what makes the state of a camera."""
    template = next(record for record in sample_records() if isinstance(record, CameraState))

    def make(state="streaming", camera="cam", reason=""):
        return dataclasses.replace(template, camera=camera, state=state, reason=reason)

    return make
