"""TFLite files on the CPU, through LiteRT and its XNNPACK delegate."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import numpy as np

from mnv2_engines.backends import BackendReport
from mnv2_engines.backends.delegation import Delegation, InterpreterNode, read_delegation
from mnv2_engines.backends.native_log import native_log
from mnv2_engines.errors import BackendUnavailableError, ContractError, EngineError, InferenceError
from mnv2_engines.files.regular_file import ENGINE_LIMIT, read_regular
from mnv2_engines.tensors import DTYPES, DTypeName, FloatArray, Layout, Quantization, TensorArray, TensorSpec

__all__ = ["LiteRtBackend", "default_threads", "open_litert"]

_log = logging.getLogger(__name__)
_DTYPE_NAMES: dict[type[np.generic], DTypeName] = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True, slots=True)
class _Runtime:
    interpreter: type[Any]
    name: str
    accelerates_int8: bool


def open_litert(path: Path, *, threads: int | None = None) -> "LiteRtBackend":
    """Open an engine file; `threads` None takes `default_threads()`.

    The file is read whole, not mapped: it may be written over while the engine runs, which would end a process that has
    it mapped (SIGBUS). Raises EngineError when it cannot be read or LiteRT refuses it, BackendUnavailableError when
    there is no LiteRT.
    """
    try:
        content = read_regular(path, ENGINE_LIMIT)
    except OSError as exc:
        raise EngineError(f"{path} cannot be read ({exc.strerror}): expected an engine file") from exc
    return LiteRtBackend(content, threads=threads or default_threads(), name=str(path))


def default_threads() -> int:
    """Return how many threads inference takes: one core is left to capture and sinks, more than four do not pay."""
    return max(1, min(4, len(os.sched_getaffinity(0)) - 1))


class LiteRtBackend:
    """Runner of one TFLite file; `Backend` describes its promises.

    `source` is the file's path (it is mapped, so it must not be overwritten in place) or its bytes; `name` says in
    messages which file the bytes are of.
    """

    def __init__(self, source: Path | bytes, *, threads: int = 1, name: str = "") -> None:
        runtime = _import_runtime()
        name = name or (str(source) if isinstance(source, Path) else f"engine of {len(source)} bytes")
        # As bytes: LiteRT refuses text that is not UTF-8, which a file's name need not be.
        model = {"model_path": os.fsencode(source)} if isinstance(source, Path) else {"model_content": source}
        try:
            with native_log(_log):
                interpreter = runtime.interpreter(**model, num_threads=threads)
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as exc:
            raise EngineError(f"{name} is not an engine that {runtime.name} runs: {_first_line(exc)}") from exc
        inputs = interpreter.get_input_details()
        if len(inputs) != 1:
            raise EngineError(f"{name} has {len(inputs)} inputs: a network of one picture was expected")
        self._runtime = runtime
        self._threads = threads
        self._interpreter: Any = interpreter
        self._input_index: int = inputs[0]["index"]
        self._input_spec = _spec(inputs[0])
        details = interpreter.get_output_details()
        self._outputs = tuple(_Output(int(detail["index"]), _spec(detail)) for detail in details)
        self._delegation = _delegation(interpreter, [output.index for output in self._outputs])

    @property
    def input_spec(self) -> TensorSpec:
        """Describe the one picture that the network takes."""
        return self._input_spec

    @property
    def output_specs(self) -> tuple[TensorSpec, ...]:
        """Describe the outputs in the file's order, with the quantisation that `infer` has already undone."""
        return tuple(output.spec for output in self._outputs)

    def allocate_input(self) -> TensorArray:
        """Return a new buffer in plain memory; LiteRT copies it when `infer` begins (3.5 us for 224x224)."""
        return np.zeros(self._input_spec.shape, DTYPES[self._input_spec.dtype])

    def infer(self, buffer: TensorArray) -> Sequence[FloatArray]:
        """Run the network; the arrays are overwritten by the next call. Raises InferenceError."""
        interpreter = self._interpreter
        if interpreter is None:
            raise InferenceError("the engine is closed: open it again before inferring")
        try:
            interpreter.set_tensor(self._input_index, buffer)
            interpreter.invoke()
        except (ValueError, RuntimeError) as exc:
            raise InferenceError(f"{self._runtime.name} could not run the engine: {_first_line(exc)}") from exc
        return [output.dequantise(interpreter.get_tensor(output.index)) for output in self._outputs]

    def infer_raw(self, buffer: TensorArray) -> list[TensorArray]:
        """Run the network; return copies of the outputs as the file has them, not dequantised, for bit-exact tests."""
        self.infer(buffer)
        return [self._interpreter.get_tensor(output.index) for output in self._outputs]

    def report(self) -> BackendReport:
        """Return whether XNNPACK took the whole graph, and what it left to the plain kernels."""
        found = self._delegation
        return BackendReport(
            backend="litert",
            runtime=self._runtime.name,
            device=f"CPU, {self._threads} thread{'s' if self._threads > 1 else ''}",
            accelerated=found.accelerated,
            fallback_operators=found.fallback,
            postprocess_operators=found.postprocess,
            hint="" if found.accelerated else self._hint(found),
            final_operators=found.final,
        )

    def close(self) -> None:
        """Free the engine. Safe to call twice."""
        self._interpreter = None

    def _hint(self, found: Delegation) -> str:
        if not self._runtime.accelerates_int8:
            return f"{self._runtime.name} has no XNNPACK for int8: `pip install ai-edge-litert` where it has a wheel"
        if found.delegates == 0:
            return "XNNPACK took nothing: is this an int8, uint8 or float32 network of a supported kind?"
        return "build the engine from its ONNX file with `mnv2-edge build-engine` to have XNNPACK take it whole"


class _Output:
    """One output and the float array that it is dequantised into."""

    def __init__(self, index: int, spec: TensorSpec) -> None:
        self.index = index
        self.spec = spec
        self._float = np.zeros(spec.shape, np.float32)

    def dequantise(self, raw: TensorArray) -> FloatArray:
        if raw.shape != self._float.shape:  # the output's shape depends on the data
            self._float = np.zeros(raw.shape, np.float32)
        quantization = self.spec.quantization
        if quantization is None:
            np.copyto(self._float, raw, casting="unsafe")
        else:
            np.subtract(raw, np.float32(quantization.zero_point), out=self._float, dtype=np.float32, casting="unsafe")
            np.multiply(self._float, np.float32(quantization.scale), out=self._float)
        return self._float


def _import_runtime() -> _Runtime:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as missing:
        try:
            from tflite_runtime.interpreter import Interpreter as OldInterpreter
        except ImportError:
            raise BackendUnavailableError(
                f"LiteRT is not importable ({missing}): `pip install ai-edge-litert`, "
                "or on 32-bit Raspberry Pi OS `pip install tflite-runtime`"
            ) from missing
        name = f"tflite-runtime {metadata.version('tflite-runtime')}"
        _log.warning("%s runs the network: it does not accelerate int8; ai-edge-litert needs a 64-bit system", name)
        return _Runtime(OldInterpreter, name, accelerates_int8=False)
    return _Runtime(Interpreter, f"ai-edge-litert {metadata.version('ai-edge-litert')}", accelerates_int8=True)


def _spec(detail: dict[str, Any]) -> TensorSpec:
    shape = tuple(int(size) for size in detail["shape"])
    dtype = _DTYPE_NAMES.get(detail["dtype"])
    if dtype is None:
        expected = ", ".join(DTYPES)
        raise ContractError(f"tensor {detail['name']!r} is of type {detail['dtype']}: expected one of {expected}")
    scales = detail["quantization_parameters"]["scales"]
    quantization = None
    if dtype in ("int8", "uint8") and len(scales) == 1:
        quantization = Quantization(float(scales[0]), int(detail["quantization_parameters"]["zero_points"][0]))
    layout: Layout = "NHWC" if len(shape) == 4 and min(shape[1:3]) > 1 else "flat"
    return TensorSpec(str(detail["name"]), shape, dtype, layout, quantization)


def _delegation(interpreter: Any, outputs: Sequence[int]) -> Delegation:  # noqa: ANN401 - two libraries' Interpreter
    # Neither library says in public which operators a delegate took; `_get_ops_details` exists in both, since 2.5.
    details = cast("list[dict[str, Any]]", interpreter._get_ops_details())  # noqa: SLF001
    operators = [
        InterpreterNode(str(op["op_name"]), tuple(map(int, op["inputs"])), tuple(map(int, op["outputs"])))
        for op in details
    ]
    return read_delegation(operators, outputs)


def _first_line(exc: BaseException) -> str:
    return str(exc).strip().partition("\n")[0] or type(exc).__name__
