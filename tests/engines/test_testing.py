"""The contract checks notice every promise that is broken."""

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import pytest

from mnv2_engines.backends import BackendReport
from mnv2_engines.backends.registry import find_format
from mnv2_engines.demo import demo_engine_path
from mnv2_engines.errors import EngineError
from mnv2_engines.predictions import Box, Detection, Findings, Prediction, Segment
from mnv2_engines.tasks.class_map import ClassMap
from mnv2_engines.tensors import TensorSpec
from mnv2_engines.testing import ContractBrokenError, check_backend, check_format, check_task

OUTPUTS = (TensorSpec("scores", (1, 4), "float32"),)


class GoodTask:
    name = "good"

    def decode(self, outputs, view):
        best = int(outputs[0].argmax())
        return Findings(predictions=(Prediction(best, f"class {best}", float(outputs[0][0, best])),))


class Nameless(GoodTask):
    name = ""


class Listing(GoodTask):
    def decode(self, outputs, view):
        return super().decode(outputs, view).predictions


class Writing(GoodTask):
    def decode(self, outputs, view):
        outputs[0] += 1
        return Findings(predictions=(Prediction(0, "x", 0.5),))


class Keeping(GoodTask):
    def decode(self, outputs, view):
        return Findings(predictions=(Prediction(0, "x", outputs[0][0, :1]),))


class Unsorted(GoodTask):
    def decode(self, outputs, view):
        return Findings(predictions=(Prediction(0, "x", 0.1), Prediction(1, "y", 0.2)))


class Unbounded(GoodTask):
    def decode(self, outputs, view):
        return Findings(predictions=(Prediction(0, "x", 1.5),))


class NumpyScore(GoodTask):
    def decode(self, outputs, view):
        return Findings(predictions=(Prediction(0, "x", np.float64(0.5)),))


def found(box_px, box_fraction=None):
    """Return one detection in a picture of 640x480."""
    if box_fraction is None:
        box_fraction = Box(box_px.left / 640, box_px.top / 480, box_px.width / 640, box_px.height / 480)
    return Findings(detections=(Detection(1, "x", 0.5, box_px, box_fraction),))


class Finding(GoodTask):
    def decode(self, outputs, view):
        return found(Box(64.0, 48.0, 576.0, 432.0))


class BoxOutside(GoodTask):
    def decode(self, outputs, view):
        return found(Box(64.0, 48.0, 577.0, 432.0))


class EmptyBox(GoodTask):
    def decode(self, outputs, view):
        return found(Box(64.0, 48.0, 0.0, 432.0))


class OtherFraction(GoodTask):
    def decode(self, outputs, view):
        return found(Box(64.0, 48.0, 576.0, 432.0), Box(0.1, 0.1, 0.9, 0.8))


class WholeNumbers(GoodTask):
    def decode(self, outputs, view):
        return found(Box(64, 48, 576, 432))


class MoreThanAll(GoodTask):
    def decode(self, outputs, view):
        return Findings(segments=(Segment(1, "x", 0.7), Segment(2, "y", 0.4)))


class KeptMap(GoodTask):
    def decode(self, outputs, view):
        return Findings(class_map=ClassMap(outputs[0].view(np.uint8), Box(0.0, 0.0, 640.0, 480.0)))


class Forgetful(GoodTask):
    calls = 0

    def decode(self, outputs, view):
        self.calls += 1
        return Findings(predictions=(Prediction(self.calls, "x", 0.5),))


@pytest.mark.parametrize("task", [GoodTask, Finding])
def test_a_good_task_passes(task):
    check_task(task(), OUTPUTS)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (Nameless, "name is ''"),
        (Listing, "returned tuple"),
        (Writing, "wrote to the outputs"),
        (Keeping, "changed with the outputs"),
        (Unsorted, "best first"),
        (Unbounded, "out of 0 to 1"),
        (NumpyScore, "score of"),
        (Forgetful, "two answers"),
        (BoxOutside, "not within the picture"),
        (EmptyBox, "not within the picture"),
        (OtherFraction, "is another box"),
        (WholeNumbers, "expected floats"),
        (MoreThanAll, "add up to"),
        (KeptMap, "changed with the outputs"),
    ],
)
def test_a_bad_task_is_told_what_it_broke(task, said):
    with pytest.raises(ContractBrokenError, match=said):
        check_task(task(), OUTPUTS)


class GoodBackend:
    input_spec = TensorSpec("input", (1, 2, 2, 3), "uint8", "NHWC")
    output_specs = OUTPUTS

    def allocate_input(self):
        return np.zeros((1, 2, 2, 3), np.uint8)

    def infer(self, buffer):
        return [buffer.reshape(1, -1)[:, :4].astype(np.float32)]

    def report(self):
        return BackendReport("good", "numpy", "CPU", accelerated=True)

    def close(self):
        pass


def test_a_good_backend_passes():
    check_backend(GoodBackend)


class Flat(GoodBackend):
    input_spec = TensorSpec("input", (1, 12), "uint8")


class WrongShape(GoodBackend):
    def allocate_input(self):
        return np.zeros((2, 2, 3), np.uint8)


class OneBuffer(GoodBackend):
    buffer = np.zeros((1, 2, 2, 3), np.uint8)

    def allocate_input(self):
        return self.buffer


class Deaf(GoodBackend):
    def infer(self, buffer):
        return [np.zeros((1, 4), np.float32)]


class Drifting(GoodBackend):
    calls = 0

    def infer(self, buffer):
        self.calls += 1
        return [super().infer(buffer)[0] + self.calls]


class Raw(GoodBackend):
    def infer(self, buffer):
        return [buffer.reshape(1, -1)[:, :4]]


class Silent(GoodBackend):
    def report(self):
        return BackendReport("", "", "", accelerated=True)


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        (Flat, "expected a picture"),
        (WrongShape, r"a buffer has shape \[2, 2, 3\]"),
        (OneBuffer, "share memory"),
        (Deaf, "two pictures gave one answer"),
        (Drifting, "the same picture gave two answers"),
        (Raw, "expected float32"),
        (Silent, "must name backend and runtime"),
    ],
)
def test_a_bad_backend_is_told_what_it_broke(backend, said):
    with pytest.raises(ContractBrokenError, match=said):
        check_backend(backend)


class Needy(msgspec.Struct, forbid_unknown_fields=True):
    port: int


class Careless(msgspec.Struct):
    threads: int = 1


class NoBuilder:
    def check_first_load(self, path: Path) -> None:
        pass


LITERT = find_format("litert")


def open_anything(path, options):
    return LITERT.open(demo_engine_path(), LITERT.options())


def complain_at_length(path, options):
    if path != demo_engine_path():
        raise EngineError("it is\nno engine")
    return open_anything(path, options)


def test_ours_keep_the_contract_of_a_format() -> None:
    check_format(LITERT, demo_engine_path())


def test_a_format_that_is_not_registered_is_noticed() -> None:
    with pytest.raises(ContractBrokenError, match="the entry point 'litert' gives another value"):
        check_format(dataclasses.replace(LITERT), demo_engine_path())


@pytest.mark.parametrize(
    ("change", "promise"),
    [
        ({"title": ""}, "title is empty"),
        ({"suffixes": ("tflite",)}, "expected .lower-case"),
        ({"suffixes": (".json", ".tflite")}, "is that of papers"),
        ({"suffixes": (".frn",)}, "ends in none of .frn"),
        ({"has_magic": lambda head: False}, "has_magic does not know demo.tflite"),
        ({"has_magic": lambda head: True}, "takes an empty file for an engine"),
        ({"options": Needy}, "port has no default"),
        ({"options": Careless}, "takes keys that it does not know"),
        ({"building": dataclasses.replace(LITERT.building, precisions=())}, "precisions is empty"),
        ({"building": dataclasses.replace(LITERT.building, exact=("fp16",))}, "exact has what precisions has not"),
        ({"building": dataclasses.replace(LITERT.building, preference=lambda root: -1)}, "below 0"),
        ({"building": dataclasses.replace(LITERT.building, builder=NoBuilder)}, r"the builder has no build\(\)"),
        ({"open": open_anything}, "takes a broken file"),
        ({"open": complain_at_length}, "in several lines"),
    ],
)
def test_every_promise_of_a_format_that_is_broken_is_noticed(monkeypatch, change, promise) -> None:
    form = dataclasses.replace(LITERT, **change)
    monkeypatch.setattr("mnv2_engines.testing.find_format", lambda name: form)
    with pytest.raises(ContractBrokenError, match=promise):
        check_format(form, demo_engine_path())
