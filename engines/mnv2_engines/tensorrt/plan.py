"""A deserialised plan, whose bytes are known to be ours, and its tensors."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from mnv2_engines.engine.rebuild_hint import how_to_rebuild
from mnv2_engines.errors import EngineError, InferenceError
from mnv2_engines.tensorrt.build_log import TensorRtLog, make_logger
from mnv2_engines.tensors import DTypeName, Layout, TensorSpec

__all__ = ["LoadedPlan"]

_DTYPES: Final[dict[str, DTypeName]] = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
}


class LoadedPlan:
    """TensorRT's runtime and engine, released in the order that they need.

    Every call has to be made where the GPU is current (see `CudaRuntime.current`).
    """

    def __init__(self, trt: ModuleType, plan: bytes, name: str, outputs: Sequence[str] = ()) -> None:
        """Deserialise `plan`: it is a program, so its SHA-256 must have been checked; `name` is its path, for messages.

        `outputs` are the model's own in its order, by which tasks tell them apart: TensorRT promises none. Empty leaves
        TensorRT's. Raises EngineError with TensorRT's own text, or when the plan has other outputs.
        """
        self.log = TensorRtLog()
        self._name = name
        self._trt: Any = trt
        self._runtime: Any = trt.Runtime(make_logger(trt, self.log))
        self._engine: Any = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineError(
                f"{name} is refused by TensorRT {trt.__version__}: {self.log.said()}: {how_to_rebuild(Path(name))}"
            )
        self.input, self.outputs = self._read_tensors(outputs)

    def make_context(self) -> Any:  # noqa: ANN401 - TensorRT's IExecutionContext
        """Return a new execution context for a batch of one. Raises InferenceError, most often for want of memory."""
        context = self._engine.create_execution_context()
        if context is None:
            raise InferenceError(f"{self._name} cannot be prepared to run: {self.log.said()}")
        if -1 in tuple(self._engine.get_tensor_shape(self.input.name)):
            self._require(context.set_input_shape(self.input.name, self.input.shape), "set_input_shape")
        return context

    def bind(self, context: Any, tensor: str, address: int) -> None:  # noqa: ANN401 - as above
        """Set the address of a tensor on the GPU. Raises InferenceError."""
        self._require(context.set_tensor_address(tensor, address), f"set_tensor_address({tensor!r})")

    def enqueue(self, context: Any, stream: int) -> None:  # noqa: ANN401 - as above
        """Start to run the network. Raises InferenceError."""
        self._require(context.execute_async_v3(stream), "execute_async_v3")

    def close(self) -> None:
        """Release the engine, then the runtime that it came from. Safe to call twice."""
        self._engine = None
        self._runtime = None

    def _require(self, done: Any, what: str) -> None:  # noqa: ANN401 - a bool, of whichever kind
        if not done:
            raise InferenceError(f"{self._name}: {what} was refused: {self.log.said()}")

    def _read_tensors(self, order: Sequence[str]) -> tuple[TensorSpec, tuple[TensorSpec, ...]]:
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        input_mode = self._trt.TensorIOMode.INPUT
        inputs = [name for name in names if self._engine.get_tensor_mode(name) == input_mode]
        if len(inputs) != 1:
            raise EngineError(f"{self._name} has {len(inputs)} inputs: a network of one picture was expected")
        outputs = [name for name in names if name not in inputs]
        if order and sorted(order) != sorted(outputs):
            raise EngineError(
                f"{self._name} has the outputs {', '.join(outputs)}, its model {', '.join(order)}: "
                f"{how_to_rebuild(Path(self._name))}"
            )
        return _as_picture(self._spec(inputs[0])), tuple(self._spec(name) for name in order or outputs)

    def _spec(self, name: str) -> TensorSpec:
        shape = tuple(int(size) for size in self._engine.get_tensor_shape(name))
        if shape[:1] == (-1,):
            shape = (1, *shape[1:])
        if -1 in shape:
            raise EngineError(f"{self._name}: tensor {name!r} is {list(shape)}: only the batch may be left open")
        return TensorSpec(name, shape, self._dtype(name))

    def _dtype(self, name: str) -> DTypeName:
        # Not `trt.nptype`: that of 8.6 needs a numpy with `np.bool`.
        found = self._engine.get_tensor_dtype(name)
        for member, dtype in _DTYPES.items():
            if found == getattr(self._trt.DataType, member, None):  # INT64 is new in 10
                return dtype
        raise EngineError(f"{self._name}: tensor {name!r} is {found}: expected one of {', '.join(_DTYPES.values())}")


def _as_picture(spec: TensorSpec) -> TensorSpec:
    """Return where the channels are: PyTorch's order where both fit."""
    layout: Layout = "flat"
    if len(spec.shape) == 4 and spec.shape[1] == 3:
        layout = "NCHW"
    elif len(spec.shape) == 4 and spec.shape[3] == 3:
        layout = "NHWC"
    return replace(spec, layout=layout)
