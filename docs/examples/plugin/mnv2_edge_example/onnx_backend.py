"""One ONNX file in ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mnv2_edge_example.onnx_format import OnnxRuntimeOptions
from mnv2_engines.backends import BackendReport
from mnv2_engines.errors import BackendUnavailableError, EngineError, InferenceError
from mnv2_engines.tensors import DTypeName, FloatArray, Layout, TensorArray, TensorSpec

__all__ = ["OnnxRuntimeBackend"]

_DTYPES: dict[str, DTypeName] = {"float32": "float32", "int64": "int64", "int32": "int32"}


class OnnxRuntimeBackend:
    """Runs one network; see `mnv2_engines.backends.Backend` for what is promised."""

    def __init__(self, model: bytes, name: str, options: OnnxRuntimeOptions) -> None:
        try:
            import onnxruntime
        except ImportError as exc:
            raise BackendUnavailableError(f"ONNX Runtime is missing ({exc}): `pip install onnxruntime`") from exc
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.enable_cpu_mem_arena = options.memory_arena
        settings.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
            (self._input,) = self._session.get_inputs()
            self.input_spec = _picture_spec(self._input)
            first = self._session.run(None, {self._input.name: self.allocate_input()})
        except (*_refusals(), ValueError) as exc:
            reason = str(exc).strip().partition("\n")[0]
            raise EngineError(f"{name} is not a network that ONNX Runtime runs: {reason}") from exc
        names = [output.name for output in self._session.get_outputs()]
        self.output_specs = tuple(_spec(each, array) for each, array in zip(names, first, strict=True))
        self._report = BackendReport(
            backend="onnxruntime",
            runtime=f"onnxruntime {onnxruntime.__version__}",
            device=f"CPU, {options.threads} thread{'s' * (options.threads > 1)}",
            accelerated=True,
        )

    @classmethod
    def open(cls, path: Path, options: OnnxRuntimeOptions) -> "OnnxRuntimeBackend":
        """Read the file whole, so that it may be replaced while it runs. Raises EngineError."""
        try:
            model = path.read_bytes()
        except OSError as exc:
            raise EngineError(f"{path} cannot be read ({exc.strerror}): expected an ONNX file") from exc
        return cls(model, str(path), options)

    def allocate_input(self) -> TensorArray:
        """Return a new buffer in plain memory."""
        return np.zeros(self.input_spec.shape, np.float32)

    def infer(self, buffer: TensorArray) -> Sequence[FloatArray]:
        """Run the network. Raises InferenceError."""
        return [np.asarray(output, np.float32) for output in self.infer_raw(buffer)]

    def infer_raw(self, buffer: TensorArray) -> list[TensorArray]:
        """Return the outputs as the file has them: with this method an engine gets a golden test."""
        if self._session is None:
            raise InferenceError("the engine is closed: open it again before inferring")
        try:
            outputs: list[TensorArray] = self._session.run(None, {self._input.name: buffer})
        except (*_refusals(), ValueError) as exc:
            raise InferenceError(f"ONNX Runtime could not run the engine: {exc}") from exc
        return outputs

    def report(self) -> BackendReport:
        """Say what runs the network."""
        return self._report

    def close(self) -> None:
        """Free the network. Safe to call twice."""
        self._session = None


def _refusals() -> tuple[type[Exception], ...]:
    """Return what ONNX Runtime raises; it has no class above them all."""
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    return (
        errors.Fail,
        errors.InvalidArgument,
        errors.InvalidGraph,
        errors.InvalidProtobuf,
        errors.NotImplemented,
        errors.RuntimeException,
    )


def _picture_spec(tensor: Any) -> TensorSpec:  # noqa: ANN401 - ONNX Runtime's NodeArg
    shape = (1, *tensor.shape[1:]) if len(tensor.shape) == 4 else ()
    if tensor.type != "tensor(float)" or not shape or not all(isinstance(size, int) for size in shape):
        raise ValueError(f"input {tensor.name!r} is {tensor.type} {tensor.shape}, expected one picture in float32")
    layout: Layout = "NCHW" if shape[1] == 3 else "NHWC"
    return TensorSpec(tensor.name, shape, "float32", layout)


def _spec(name: str, array: TensorArray) -> TensorSpec:
    dtype = _DTYPES.get(array.dtype.name)
    if dtype is None:
        raise EngineError(f"output {name!r} is {array.dtype}: expected one of {', '.join(_DTYPES)}")
    return TensorSpec(name, array.shape, dtype, "NCHW" if array.ndim == 4 else "flat")
