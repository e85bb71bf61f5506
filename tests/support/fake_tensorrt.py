"""A module like `tensorrt` that runs networks: its plans hold ONNX files, its engines are ONNX Runtime's.

It has what the backend needs of TensorRT 8.6 to 11.4 and nothing that one of them lacks; `tests/engines/tensorrt/
test_fake.py` holds it to the recorded releases.
"""

import contextlib
import enum
from types import ModuleType

import numpy as np
import onnxruntime

from support.fake_gpu import NAMES, POISON, FakeGpu, GpuError, Work

MAGIC = b"fake plan\0"

_TYPES = {
    "tensor(float)": ("FLOAT", np.float32),
    "tensor(float16)": ("HALF", np.float16),
    "tensor(int32)": ("INT32", np.int32),
    "tensor(int64)": ("INT64", np.int64),
    "tensor(uint8)": ("UINT8", np.uint8),
    "tensor(int8)": ("INT8", np.int8),
    "tensor(bool)": ("BOOL", np.bool_),
}


def fake_plan(onnx: bytes) -> bytes:
    """Return what a builder would make of an ONNX file."""
    return MAGIC + onnx


class Severity(enum.Enum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class ILogger:
    INTERNAL_ERROR = Severity.INTERNAL_ERROR
    ERROR = Severity.ERROR
    WARNING = Severity.WARNING
    INFO = Severity.INFO
    VERBOSE = Severity.VERBOSE

    def __init__(self) -> None:
        self._constructed = True


class TensorIOMode(enum.Enum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class DataType(enum.Enum):
    FLOAT = 0
    HALF = 1
    INT8 = 2
    INT32 = 3
    BOOL = 4
    UINT8 = 5


class NewDataType(enum.Enum):
    FLOAT = 0
    HALF = 1
    INT8 = 2
    INT32 = 3
    BOOL = 4
    UINT8 = 5
    INT64 = 8


class Dims:
    """What the real one can do of a tuple: no `in`, no comparison."""

    def __init__(self, sizes) -> None:
        self._sizes = tuple(size if isinstance(size, int) else -1 for size in sizes)

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, index: int) -> int:
        return self._sizes[index]


def make_tensorrt(gpu: FakeGpu, version: str = "10.3.0") -> ModuleType:  # noqa: C901 - a whole module
    """Return the module; `_alive` holds how many runtimes, engines and contexts there are."""
    data_type = DataType if int(version.partition(".")[0]) < 10 else NewDataType
    alive = {"Runtime": 0, "ICudaEngine": 0, "IExecutionContext": 0}

    class Counted:
        def __init__(self) -> None:
            alive[type(self).__name__] += 1

        def __del__(self) -> None:
            alive[type(self).__name__] -= 1

    class IExecutionContext(Counted):
        def __init__(self, engine: "ICudaEngine") -> None:
            super().__init__()
            self._engine = engine
            self._addresses: dict[str, int] = {}
            self._shapes: dict[str, tuple[int, ...]] = {}
            self._stopped = False  # half way through a capture: what it is left in is nobody's promise

        def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
            self._shapes[name] = tuple(shape)
            return True

        def set_tensor_address(self, name: str, memory: int) -> bool:
            if name not in self._engine._tensors:
                return self._engine._refuse(f"no tensor {name}")
            self._addresses[name] = int(memory)
            return True

        def execute_async_v3(self, stream_handle: int) -> bool:
            engine = self._engine
            for name, tensor in engine._tensors.items():
                if name not in self._addresses:
                    return engine._refuse(f"Address is not set for tensor {name}")
                if tensor.mode is TensorIOMode.INPUT and -1 in tuple(tensor.shape) and name not in self._shapes:
                    return engine._refuse(f"the shape of {name} is not specified")
            if not gpu.is_capturing(int(stream_handle)) and (error := gpu.take_last_error()):
                return engine._refuse(f"Cuda Runtime ({NAMES[error][1]})")  # somebody else's, as it cannot know
            compute = (lambda: None) if self._stopped else self._compute
            try:
                gpu.put(int(stream_handle), Work(self._poison, compute))
            except GpuError as exc:
                self._stopped = True
                gpu.last_error = exc.code
                return engine._refuse(f"enqueue failed: {exc}")
            return True

        def _memory(self, name: str) -> np.ndarray:
            tensor = self._engine._tensors[name]
            shape = tuple(1 if size == -1 else size for size in tensor.shape)
            size = int(np.prod(shape)) * np.dtype(tensor.numpy).itemsize
            return gpu.device(self._addresses[name], size).view(tensor.numpy).reshape(shape)

        def _poison(self) -> None:
            for name, tensor in self._engine._tensors.items():
                if tensor.mode is TensorIOMode.OUTPUT:
                    with contextlib.suppress(GpuError):  # a wrong address shows when the work is done
                        self._memory(name).view(np.uint8)[...] = POISON

        def _compute(self) -> None:
            tensors = self._engine._tensors
            feeds = {name: self._memory(name) for name, tensor in tensors.items() if tensor.mode is TensorIOMode.INPUT}
            outputs = [name for name, tensor in tensors.items() if tensor.mode is TensorIOMode.OUTPUT]
            for name, result in zip(outputs, self._engine._session.run(outputs, feeds), strict=True):
                self._memory(name)[...] = result

    class Tensor:
        def __init__(self, node, mode: TensorIOMode) -> None:
            member, self.numpy = _TYPES[node.type]
            self.mode, self.shape, self.dtype = mode, Dims(node.shape), getattr(data_type, member)

    class ICudaEngine(Counted):
        def __init__(self, runtime: "Runtime", onnx: bytes) -> None:
            super().__init__()
            self._runtime = runtime
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            self._session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
            self._tensors = {node.name: Tensor(node, TensorIOMode.INPUT) for node in self._session.get_inputs()}
            self._tensors |= {node.name: Tensor(node, TensorIOMode.OUTPUT) for node in self._session.get_outputs()}

        @property
        def num_io_tensors(self) -> int:
            return len(self._tensors)

        def get_tensor_name(self, index: int) -> str:
            return list(self._tensors)[index]

        def get_tensor_mode(self, name: str) -> TensorIOMode:
            return self._tensors[name].mode

        def get_tensor_shape(self, name: str) -> Dims:
            return self._tensors[name].shape

        def get_tensor_dtype(self, name: str) -> enum.Enum:
            return self._tensors[name].dtype

        def create_execution_context(self) -> IExecutionContext:
            return IExecutionContext(self)

        def _refuse(self, text: str) -> bool:
            self._runtime._log(text)
            return False

    class Runtime(Counted):
        def __init__(self, logger: ILogger) -> None:
            if not getattr(logger, "_constructed", False):
                raise TypeError("ILogger.__init__() must be called when overriding __init__")
            super().__init__()
            self._logger = logger

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
            if not serialized_engine.startswith(MAGIC):
                self._log("Serialization assertion stdVersionRead == serializationVersion failed")
                return None
            return ICudaEngine(self, serialized_engine[len(MAGIC) :])

        def _log(self, text: str) -> None:
            self._logger.log(Severity.ERROR, text)

    module = ModuleType("tensorrt")
    module.__version__ = version  # type: ignore[attr-defined]
    module._alive = alive  # type: ignore[attr-defined]
    for member in (ILogger, TensorIOMode, Runtime, ICudaEngine, IExecutionContext):
        setattr(module, member.__name__, member)
    module.DataType = data_type  # type: ignore[attr-defined]
    return module
