"""Check that a task or backend of your own keeps the contract of its seam; call these from your tests."""

from collections.abc import Callable, Sequence
from contextlib import closing

import numpy as np

from mnv2_engines.backends import Backend
from mnv2_engines.errors import EnginesError
from mnv2_engines.geometry import View
from mnv2_engines.predictions import Prediction
from mnv2_engines.tasks import Task
from mnv2_engines.tensors import DTYPES, FloatArray, TensorArray, TensorSpec

__all__ = ["ContractBrokenError", "check_backend", "check_task"]

_ROUNDS = 20


class ContractBrokenError(EnginesError, AssertionError):
    """Say which promise of a seam is not kept."""


def check_task(task: Task, outputs: Sequence[TensorSpec], view: View | None = None) -> None:
    """Check that `task` decodes outputs as `outputs` describes them, and keeps nothing of them.

    It is fed random positive numbers, which every task must take. Raises ContractBrokenError.
    """
    _require(bool(task.name) and task.name == task.name.strip(), f"name is {task.name!r}: expected a word")
    if view is None:
        view = View(0, 0, 640, 480, 0, 0, 224, 224)
    random = np.random.default_rng(0)
    for _ in range(_ROUNDS):
        arrays = [random.random(spec.shape, np.float32) for spec in outputs]
        given = [array.copy() for array in arrays]
        predictions = task.decode(arrays, view)
        before = repr(predictions)
        _require(isinstance(predictions, tuple), f"decode returned {type(predictions).__name__}: expected a tuple")
        for array, original in zip(arrays, given, strict=True):
            _require(np.array_equal(array, original), "decode wrote to the outputs: they belong to the backend")
            array.fill(np.nan)
        _require(repr(predictions) == before, "a prediction changed with the outputs: decode must copy what it returns")
        _check_predictions(predictions)
        _require(
            task.decode(given, view) == predictions, "decode gave two answers to the same outputs: expected the same"
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


def _check_predictions(predictions: Sequence[Prediction]) -> None:
    scores = [prediction.score for prediction in predictions]
    _require(scores == sorted(scores, reverse=True), f"scores are {scores}: expected the best first")
    for prediction in predictions:
        _require(0.0 <= prediction.score <= 1.0, f"{prediction} has a score out of 0 to 1")
        _require(
            type(prediction.score) is float, f"{prediction} has a score of {type(prediction.score)}: expected float"
        )
        _require(type(prediction.class_id) is int, f"{prediction} has a class_id that is no int")
        _require(bool(prediction.label), f"{prediction} has no label")


def _require(kept: bool, promise: str) -> None:  # noqa: FBT001 - reads as the sentence it is
    if not kept:
        raise ContractBrokenError(promise)
