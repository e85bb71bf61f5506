"""Modules in the form of cuda-python and pycuda, on a `FakeGpu`.

They have nothing that the real ones lack: `tests/engines/cuda/test_real_packages.py` holds them to it.
"""

import enum
import threading
from types import ModuleType, SimpleNamespace

import numpy as np

from support.fake_gpu import INSUFFICIENT_DRIVER, NAMES, NO_DEVICE, FakeGpu, GpuError

Error = enum.Enum("cudaError_t", {name: code for code, (name, _) in NAMES.items()})


CopyKind = enum.Enum("cudaMemcpyKind", {"cudaMemcpyHostToDevice": 1, "cudaMemcpyDeviceToHost": 2})
CaptureMode = enum.Enum("cudaStreamCaptureMode", {"cudaStreamCaptureModeThreadLocal": 1})


class _Handle:
    """What cuda-python wraps streams and graphs in; it takes no other kind in its place."""

    def __init__(self, value: int) -> None:
        self._value = value

    def __int__(self) -> int:
        return self._value


class _Stream(_Handle):
    pass


class _Graph(_Handle):
    pass


class _GraphExec(_Handle):
    pass


def make_cudart(gpu: FakeGpu) -> ModuleType:  # noqa: C901 - a whole module
    """Return a module like `cuda.bindings.runtime`: every function returns a tuple with the error first."""

    def answers(results: int):
        def wrap(function):
            def call(*args):
                try:
                    if not gpu.present and function.__name__ not in {"driver_version", "runtime_version"}:
                        raise GpuError(NO_DEVICE)
                    value = function(*args)
                except GpuError as exc:
                    gpu.last_error = exc.code
                    return (Error(exc.code), *[None] * results)
                return (Error.cudaSuccess, value)[: 1 + results]

            return call

        return wrap

    def number(handle: object, kind: type[_Handle]) -> int:
        if not isinstance(handle, kind):
            raise TypeError(f"{kind.__name__} was expected, this is {handle!r}")
        return int(handle)

    @answers(1)
    def properties(device):
        major, minor = gpu.compute_capability
        return SimpleNamespace(
            name=gpu.name.encode(),
            major=major,
            minor=minor,
            integrated=int(gpu.integrated),
            canMapHostMemory=int(gpu.maps_host_memory),
        )

    @answers(1)
    def driver_version():
        return gpu.driver

    @answers(1)
    def runtime_version():
        return 12090

    @answers(0)
    def copy(target, source, size, kind, stream):
        to_device = kind is CopyKind.cudaMemcpyHostToDevice
        gpu.copy(number(stream, _Stream), target, source, size, to_device=to_device)

    def device_count():
        if gpu.driver < 12000:
            return Error(INSUFFICIENT_DRIVER), None
        return (Error.cudaSuccess, 1) if gpu.present else (Error(NO_DEVICE), None)

    def last_error():
        return (Error(gpu.take_last_error()),)

    module = ModuleType("cuda.bindings.runtime")
    functions = {
        "cudaGetDeviceCount": device_count,
        "cudaGetDeviceProperties": properties,
        "cudaDriverGetVersion": driver_version,
        "cudaRuntimeGetVersion": runtime_version,
        "cudaGetErrorString": lambda error: (Error.cudaSuccess, NAMES[error.value][1].encode()),
        "cudaGetLastError": last_error,
        "cudaHostAlloc": answers(1)(lambda size, flags: gpu.allocate(size, "mapped" if flags & 2 else "pinned")),
        "cudaHostGetDevicePointer": answers(1)(lambda address, _flags: gpu.device_pointer(address)),
        "cudaFreeHost": answers(0)(lambda address: gpu.free(address, "pinned", "mapped")),
        "cudaMalloc": answers(1)(lambda size: gpu.allocate(size, "device")),
        "cudaFree": answers(0)(lambda address: gpu.free(address, "device")),
        "cudaStreamCreateWithFlags": answers(1)(lambda flags: _Stream(gpu.create_stream())),
        "cudaStreamDestroy": answers(0)(lambda stream: gpu.streams.pop(number(stream, _Stream))),
        "cudaStreamSynchronize": answers(0)(lambda stream: gpu.synchronize(number(stream, _Stream))),
        "cudaMemcpyAsync": copy,
        "cudaStreamBeginCapture": answers(0)(lambda stream, mode: gpu.begin_capture(number(stream, _Stream))),
        "cudaStreamEndCapture": answers(1)(lambda stream: _Graph(gpu.end_capture(number(stream, _Stream)))),
        "cudaGraphInstantiate": answers(1)(lambda graph, flags: _GraphExec(gpu.instantiate(number(graph, _Graph)))),
        "cudaGraphDestroy": answers(0)(lambda graph: gpu.graphs.pop(number(graph, _Graph))),
        "cudaGraphLaunch": answers(0)(
            lambda graph, stream: gpu.launch(number(graph, _GraphExec), number(stream, _Stream))
        ),
        "cudaGraphExecDestroy": answers(0)(lambda graph: gpu.executables.pop(number(graph, _GraphExec))),
        "cudaError_t": Error,
        "cudaMemcpyKind": CopyKind,
        "cudaStreamCaptureMode": CaptureMode,
        "cudaHostAllocDefault": 0,
        "cudaHostAllocMapped": 2,
        "cudaStreamNonBlocking": 1,
    }
    vars(module).update(functions)
    return module


def make_pycuda_driver(gpu: FakeGpu) -> ModuleType:  # noqa: C901 - a whole module
    """Return a module like `pycuda.driver`: it raises, and wants a context on the calling thread's stack."""
    driver = ModuleType("pycuda.driver")
    stacks = threading.local()

    class Error(Exception):
        pass

    class LogicError(Error):
        pass

    def doing(function: str, call, *, context: bool = True):
        if context and not getattr(stacks, "contexts", []):
            raise LogicError(f"{function} failed: invalid device context")
        try:
            return call()
        except GpuError as exc:
            raise LogicError(f"{function} failed: {exc}") from None

    class Context:
        def __init__(self) -> None:
            self.thread = threading.get_ident()
            gpu.context_uses += 1

        def __del__(self) -> None:
            if self.thread == threading.get_ident():
                gpu.release_and_leave_current()

        def push(self) -> None:
            stacks.__dict__.setdefault("contexts", []).append(self)

        @staticmethod
        def pop() -> None:
            stacks.contexts.pop()

    class Device:
        def __init__(self, number: int) -> None:
            self._number = number

        @staticmethod
        def count() -> int:
            return 1

        def name(self) -> str:
            return gpu.name

        def compute_capability(self) -> tuple[int, int]:
            return gpu.compute_capability

        def get_attribute(self, attribute: str) -> int:
            return int(getattr(gpu, attribute))

        def retain_primary_context(self) -> Context:
            return Context()

    class PagelockedHostAllocation:
        def __init__(self, count: int, dtype: np.dtype, flags: int) -> None:
            size = count * dtype.itemsize
            self._address = doing("cuMemHostAlloc", lambda: gpu.allocate(size, "mapped" if flags & 2 else "pinned"))
            self._context = stacks.contexts[-1]
            self.__array_interface__ = {
                "shape": (size,),
                "typestr": "|u1",
                "data": (self._address, False),
                "version": 3,
            }

        def get_device_pointer(self) -> int:
            return doing("cuMemHostGetDevicePointer", lambda: gpu.device_pointer(self._address))

        def free(self) -> None:
            active = getattr(stacks, "contexts", [])[-1:] == [self._context]
            if active or self._context.thread == threading.get_ident():  # else it is leaked, with a warning on stderr
                gpu.free(self._address, "pinned", "mapped")
            self._context = None

        def __del__(self) -> None:
            if getattr(self, "_context", None) is not None:
                self.free()

    class DeviceAllocation:
        def __init__(self, size: int) -> None:
            self._address = doing("cuMemAlloc", lambda: gpu.allocate(size, "device"))

        def __int__(self) -> int:
            return self._address

        def free(self) -> None:
            doing("cuMemFree", lambda: gpu.free(self._address, "device"))

    class Stream:
        def __init__(self, flags: int = 0) -> None:
            self.handle = doing("cuStreamCreate", gpu.create_stream)

        def synchronize(self) -> None:
            doing("cuStreamSynchronize", lambda: gpu.synchronize(self.handle))

        def __del__(self) -> None:
            gpu.streams.pop(getattr(self, "handle", 0), None)

    def init() -> None:
        if not gpu.present:
            raise Error("cuInit failed: no CUDA-capable device is detected")

    def pagelocked_empty(shape, dtype, order="C", mem_flags=0) -> np.ndarray:
        return np.asarray(PagelockedHostAllocation(shape, np.dtype(dtype), mem_flags))

    def address(array: np.ndarray) -> int:
        return array.__array_interface__["data"][0]

    def to_device(target: int, source: np.ndarray, stream: Stream) -> None:
        size = source.nbytes
        doing("cuMemcpyHtoDAsync", lambda: gpu.copy(stream.handle, target, address(source), size, to_device=True))

    def to_host(target: np.ndarray, source: int, stream: Stream) -> None:
        size = target.nbytes
        doing("cuMemcpyDtoHAsync", lambda: gpu.copy(stream.handle, address(target), source, size, to_device=False))

    members = {
        "Error": Error,
        "LogicError": LogicError,
        "Device": Device,
        "Stream": Stream,
        "init": init,
        "get_driver_version": lambda: gpu.driver,
        "device_attribute": SimpleNamespace(INTEGRATED="integrated", CAN_MAP_HOST_MEMORY="maps_host_memory"),
        "host_alloc_flags": SimpleNamespace(DEVICEMAP=2),
        "pagelocked_empty": pagelocked_empty,
        "mem_alloc": lambda size: DeviceAllocation(size),  # noqa: PLW0108 - a function, as the real one is
        "memcpy_htod_async": to_device,
        "memcpy_dtoh_async": to_host,
    }
    vars(driver).update(members)
    return driver


def modules(name: str, module: ModuleType) -> dict[str, ModuleType]:
    """Return what has to be in `sys.modules` for `import a.b.c` to give `module`."""
    found = {name: module}
    while "." in name:
        name, _, child = name.rpartition(".")
        package = ModuleType(name)
        package.__path__ = []  # type: ignore[attr-defined]
        setattr(package, child, found[f"{name}.{child}"])
        found[name] = package
    return found
