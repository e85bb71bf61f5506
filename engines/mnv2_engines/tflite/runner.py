"""Runs of a TFLite file at build time: every activation that is asked for, with XNNPACK."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from mnv2_engines.backends.native_log import native_log
from mnv2_engines.errors import BackendUnavailableError, InferenceError, ModelError
from mnv2_engines.tensors import FloatArray, TensorArray

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter
    from typing_extensions import Self

__all__ = ["Runner", "dequantise"]

_log = logging.getLogger(__name__)


class Runner:
    """Owner of an interpreter over one file; its outputs come by name."""

    def __init__(self, tflite: bytes, *, threads: int) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as exc:
            raise BackendUnavailableError("ai-edge-litert is not importable: run `pip install ai-edge-litert`") from exc
        try:
            with native_log(_log):
                self._interpreter: Interpreter | None = Interpreter(model_content=tflite, num_threads=threads)
                self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as exc:
            raise ModelError(f"LiteRT refuses the compiled network: {_first_line(exc)}") from exc
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = self._interpreter.get_output_details()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the interpreter; safe to call twice."""
        self._interpreter = None

    def operators(self) -> list[str]:
        """List what runs after delegation, with the operators that a `DELEGATE` replaced."""
        return [str(detail["op_name"]) for detail in self._open()._get_ops_details()]  # noqa: SLF001 - int8.md: nothing public tells

    def run(self, picture: TensorArray) -> Iterator[tuple[str, TensorArray]]:
        """Run one picture of the input's own dtype; yield (name, values) of each output, each a copy."""
        interpreter = self._open()
        interpreter.set_tensor(self._input["index"], picture)
        try:
            interpreter.invoke()
        except RuntimeError as exc:
            raise ModelError(f"LiteRT cannot run the compiled network: {_first_line(exc)}") from exc
        for detail in self._outputs:
            yield str(detail["name"]), interpreter.get_tensor(detail["index"])

    def run_dequantised(self, picture: TensorArray) -> Iterator[tuple[str, FloatArray]]:
        """Do as `run` and return reals."""
        scales = {str(detail["name"]): detail["quantization"] for detail in self._outputs}
        for name, values in self.run(picture):
            yield name, dequantise(values, *scales[name])

    def _open(self) -> Interpreter:
        if self._interpreter is None:
            raise InferenceError("the runner is closed")
        return self._interpreter


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def dequantise(values: TensorArray, scale: float, zero_point: int) -> FloatArray:
    """Turn integers to reals; what has no scale is only converted."""
    if values.dtype == np.int8 and scale > 0.0:
        real: FloatArray = (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
        return real
    return np.asarray(values, np.float32)
