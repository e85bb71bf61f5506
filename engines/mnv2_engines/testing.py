"""Checks that your own task, backend or engine format keeps its contract; call them from your tests."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np

from mnv2_engines.backends import Backend
from mnv2_engines.backends.format import HEAD_BYTES, Building, EngineFormat
from mnv2_engines.backends.registry import find_format
from mnv2_engines.errors import EngineError, EnginesError
from mnv2_engines.files.regular_file import read_start
from mnv2_engines.predictions import Box, Detection, Findings, Prediction, Segment
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.tasks import Task
from mnv2_engines.tensors import DTYPES, FloatArray, TensorArray, TensorSpec

__all__ = ["ContractBrokenError", "check_backend", "check_format", "check_task"]

_ROUNDS = 20
_SHARE_SLACK = 1e-3  # each share is rounded
_BOX_SLACK_PX = 0.1  # so are boxes


class ContractBrokenError(EnginesError, AssertionError):
    """A promise of an interface that is not kept."""


def check_task(task: Task, outputs: Sequence[TensorSpec], view: View | None = None) -> None:
    """Check that `task` decodes outputs as `outputs` describes them, and keeps nothing of them.

    It is fed random positive numbers, which every task must take. Raises ContractBrokenError.
    """
    _require(bool(task.name) and task.name == task.name.strip(), f"name is {task.name!r}: expected a word")
    if view is None:
        view = View(80, 0, 480, 480, 0, 0, 224, 224, 640, 480)
    random = np.random.default_rng(0)
    for _ in range(_ROUNDS):
        arrays = [random.random(spec.shape, np.float32) for spec in outputs]
        given = [array.copy() for array in arrays]
        findings = task.decode(arrays, view)
        _require(isinstance(findings, Findings), f"decode returned {type(findings).__name__}: expected Findings")
        before = _copy(findings)
        for array, original in zip(arrays, given, strict=True):
            _require(np.array_equal(array, original), "decode wrote to the outputs: they belong to the backend")
            array.fill(np.nan)
        _require(_copy(findings) == before, "what was found changed with the outputs: decode must copy what it returns")
        _check_findings(findings, view)
        _require(
            _copy(task.decode(given, view)) == before, "decode gave two answers to the same outputs: expected the same"
        )


def check_backend(open_backend: Callable[[], Backend]) -> None:
    """Check one backend, opened by `open_backend` on any network, from its buffers to closing it twice.

    Raises ContractBrokenError.
    """
    with closing(open_backend()) as backend:
        spec = backend.input_spec
        _require(spec.layout in ("NHWC", "NCHW"), f"input {spec.name!r} has layout {spec.layout}: expected a picture")
        _require(spec.shape[0] == 1, f"input {spec.name!r} has shape {list(spec.shape)}: expected a batch of 1")
        first, second = backend.allocate_input(), backend.allocate_input()
        for buffer in (first, second):
            _require(buffer.shape == spec.shape, f"a buffer has shape {list(buffer.shape)}, not {list(spec.shape)}")
            _require(buffer.dtype == DTYPES[spec.dtype], f"a buffer has type {buffer.dtype}, not {spec.dtype}")
            _require(bool(buffer.flags.writeable), "a buffer cannot be written to")
        _require(not np.shares_memory(first, second), "two buffers share memory: each is filled while another is read")
        _fill(first, seed=1)
        _fill(second, seed=2)
        answer = _infer(backend, first)
        other = _infer(backend, second)
        again = _infer(backend, first)
        _require(_equal(answer, again), "the same picture gave two answers: infer must not depend on the one before")
        _require(not _equal(answer, other), "two pictures gave one answer: infer must read the buffer it is given")
        report = backend.report()
        _require(bool(report.backend and report.runtime), "report() must name backend and runtime")
        _require(
            len(report.final_operators) in (0, len(backend.output_specs)),
            "report().final_operators must be empty or hold one operator for each output",
        )
        backend.close()
    backend.close()


def check_format(form: EngineFormat, engine: Path) -> None:
    """Check a whole format on one engine file of it: what it says of itself, what it refuses, and its backend.

    The format must be installed, with its entry point. Raises ContractBrokenError.
    """
    _require(find_format(form.name) is form, f"the entry point {form.name!r} gives another value")
    _require(bool(form.title), "title is empty: it stands in messages")
    _check_suffixes(form, engine)
    head = read_start(engine, HEAD_BYTES)
    if form.has_magic is not None:
        _require(form.has_magic(head), f"has_magic does not know {engine.name}")
        _require(not form.has_magic(b""), "has_magic takes an empty file for an engine")
    _check_options(form.options, "options")
    if form.building is not None:
        _check_building(form.building)
    with tempfile.TemporaryDirectory() as folder:
        broken = Path(folder) / f"broken{form.suffixes[0]}"
        broken.write_bytes(head[:5] + b"this is not an engine")
        try:
            form.open(broken, form.options()).close()
        except EngineError as exc:
            _require(len(str(exc).splitlines()) == 1, "open says in several lines what is wrong with a file")
        else:
            _require(kept=False, promise="open takes a broken file: expected EngineError")
    check_backend(lambda: form.open(engine, form.options()))


def _check_suffixes(form: EngineFormat, engine: Path) -> None:
    for suffix in form.suffixes:
        _require(suffix.startswith(".") and suffix == suffix.lower(), f"suffix {suffix!r}: expected .lower-case")
        _require(suffix not in (".json", ".yaml"), f"suffix {suffix!r} is that of papers beside an engine")
    _require(engine.suffix in form.suffixes, f"{engine.name} ends in none of {', '.join(form.suffixes)}")


def _check_options(options: type[msgspec.Struct], name: str) -> None:
    required = [field.name for field in msgspec.structs.fields(options) if field.required]
    _require(not required, f"{name}: {', '.join(required)} has no default: nobody need say anything")
    _require(options.__struct_config__.forbid_unknown_fields, f"{name} takes keys that it does not know")


def _check_building(building: Building) -> None:
    _require(bool(building.precisions), "building.precisions is empty")
    _require(set(building.exact) <= set(building.precisions), "building.exact has what precisions has not")
    _require(building.preference(Path("/")) >= 0, "building.preference is below 0")
    _check_options(building.options, "building.options")
    builder = building.builder()
    for method in ("build", "check_first_load"):
        _require(callable(getattr(builder, method, None)), f"the builder has no {method}()")


def _infer(backend: Backend, buffer: TensorArray) -> list[FloatArray]:
    outputs = backend.infer(buffer)
    specs = backend.output_specs
    _require(len(outputs) == len(specs), f"infer returned {len(outputs)} outputs, output_specs has {len(specs)}")
    for output, spec in zip(outputs, specs, strict=True):
        _require(output.dtype == np.float32, f"output {spec.name!r} is {output.dtype}: expected float32, dequantised")
        _require(output.shape == spec.shape, f"output {spec.name!r} has shape {list(output.shape)}, not {spec.shape}")
    return [output.copy() for output in outputs]


def _fill(buffer: TensorArray, seed: int) -> None:
    random = np.random.default_rng(seed)
    if np.issubdtype(buffer.dtype, np.integer):
        limits = np.iinfo(buffer.dtype)
        buffer[...] = random.integers(limits.min, limits.max, buffer.shape, endpoint=True)
    else:
        buffer[...] = random.uniform(-1.0, 1.0, buffer.shape)


def _equal(some: Sequence[FloatArray], others: Sequence[FloatArray]) -> bool:
    return all(np.array_equal(one, other, equal_nan=True) for one, other in zip(some, others, strict=True))


def _copy(findings: Findings) -> tuple[str, bytes]:
    """Return all that was found, of which nothing is shared with it."""
    pixels = b"" if findings.class_map is None else findings.class_map.pixels.tobytes()
    return repr((findings.predictions, findings.detections, findings.segments, findings.mask)), pixels


def _check_findings(findings: Findings, view: View) -> None:
    _check_scores(findings.predictions, [prediction.score for prediction in findings.predictions])
    _check_scores(findings.detections, [detection.score for detection in findings.detections])
    _check_scores(findings.segments, [segment.share for segment in findings.segments])
    shares = sum(segment.share for segment in findings.segments)
    _require(shares <= 1.0 + _SHARE_SLACK, f"the segments' shares add up to {shares}: expected 1 at most")
    for detection in findings.detections:
        _check_box(detection, view)


def _check_scores(found: Sequence[Prediction | Detection | Segment], scores: Sequence[float]) -> None:
    _require(list(scores) == sorted(scores, reverse=True), f"scores are {scores}: expected the best first")
    for one, score in zip(found, scores, strict=True):
        _require(type(score) is float, f"{one} has a score of {type(score)}: expected float")
        _require(0.0 <= score <= 1.0, f"{one} has a score out of 0 to 1")
        _require(type(one.class_id) is int, f"{one} has a class_id that is not an int")
        _require(bool(one.label), f"{one} has no label")


def _check_box(detection: Detection, view: View) -> None:
    box, part = detection.box_px, detection.box_fraction
    for side in (box.left, box.top, box.width, box.height, part.left, part.top, part.width, part.height):
        _require(type(side) is float, f"{detection} has a box of {type(side)}: expected floats")
    inside = min(box.left, box.top) >= 0 and box.right <= view.source_width and box.bottom <= view.source_height
    _require(inside and min(box.width, box.height) > 0, f"{detection} has a box that is not within the picture")
    of_width, of_height = view.source_width, view.source_height
    same = _near(Box(part.left * of_width, part.top * of_height, part.width * of_width, part.height * of_height), box)
    _require(same, f"{detection} has a box_fraction that is another box")


def _near(one: Box, other: Box) -> bool:
    sides = ((one.left, other.left), (one.top, other.top), (one.width, other.width), (one.height, other.height))
    return all(abs(a - b) <= _BOX_SLACK_PX for a, b in sides)


def _require(kept: bool, promise: str) -> None:  # noqa: FBT001 - reads as the sentence it is
    if not kept:
        raise ContractBrokenError(promise)
