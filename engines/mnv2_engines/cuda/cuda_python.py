"""CUDA through NVIDIA's cuda-python: `cuda.bindings.runtime`, or `cuda.cudart` up to 12.6.1."""

import contextlib
import functools
from contextlib import AbstractContextManager
from importlib import metadata
from types import ModuleType
from typing import Any, Final

from mnv2_engines.cuda import Gpu, HostMemory
from mnv2_engines.cuda.support import cuda_version, host_array, no_gpu, old_driver
from mnv2_engines.errors import BackendUnavailableError, InferenceError

__all__ = ["CudaPythonRuntime", "import_cudart"]

_DEVICE: Final = 0


def import_cudart() -> ModuleType:
    """Return the module with CUDA's runtime functions. Raises ImportError."""
    try:
        from cuda.bindings import runtime
    except ImportError:
        from cuda import cudart as runtime
    module: ModuleType = runtime
    return module


class CudaPythonRuntime:
    """`CudaRuntime` on NVIDIA's cuda-python.

    Every function of the module returns a tuple with the error first, and None in it for what there is not. The runtime
    makes a thread's context by itself, so `current` has nothing to do.
    """

    def __init__(self, cudart: ModuleType) -> None:
        """Look for a GPU. Raises BackendUnavailableError when there is none, or its driver is too old."""
        self._cudart: Any = cudart
        self._name = _name()
        self._gpu = self._find_gpu()
        self._streams: dict[int, Any] = {}
        self._graphs: dict[int, Any] = {}

    @property
    def name(self) -> str:
        """Name the Python package and its version."""
        return self._name

    @property
    def has_graphs(self) -> bool:
        """Return True."""
        return True

    @property
    def gpu(self) -> Gpu:
        """Describe the GPU."""
        return self._gpu

    def current(self) -> AbstractContextManager[None]:
        """Do nothing."""
        return contextlib.nullcontext()

    def allocate_host(self, size: int, *, mapped: bool) -> HostMemory:
        """Return `size` bytes of zeroed page-locked memory."""
        rt = self._cudart
        flags = rt.cudaHostAllocMapped if mapped else rt.cudaHostAllocDefault
        address = int(self._check("cudaHostAlloc", rt.cudaHostAlloc(size, flags)))
        array = host_array(address, size, functools.partial(rt.cudaFreeHost, address))
        device = None
        if mapped:
            device = int(self._check("cudaHostGetDevicePointer", rt.cudaHostGetDevicePointer(address, 0)))
        return HostMemory(array, device)

    def allocate_device(self, size: int) -> int:
        """Return the address of `size` bytes on the GPU."""
        return int(self._check("cudaMalloc", self._cudart.cudaMalloc(size)))

    def free_device(self, address: int) -> None:
        """Give it back."""
        self._check("cudaFree", self._cudart.cudaFree(address))

    def create_stream(self) -> int:
        """Return a new stream that does not wait for the default one."""
        rt = self._cudart
        stream = self._check("cudaStreamCreateWithFlags", rt.cudaStreamCreateWithFlags(rt.cudaStreamNonBlocking))
        self._streams[int(stream)] = stream
        return int(stream)

    def destroy_stream(self, stream: int) -> None:
        """Give it back."""
        self._check("cudaStreamDestroy", self._cudart.cudaStreamDestroy(self._streams.pop(stream)))

    def synchronize(self, stream: int) -> None:
        """Wait until all work in the stream is done."""
        self._check("cudaStreamSynchronize", self._cudart.cudaStreamSynchronize(self._streams[stream]))

    def copy_to_device(self, address: int, memory: HostMemory, stream: int) -> None:
        """Start to copy all of `memory` to the GPU."""
        self._copy(address, _address(memory), memory, self._cudart.cudaMemcpyKind.cudaMemcpyHostToDevice, stream)

    def copy_to_host(self, memory: HostMemory, address: int, stream: int) -> None:
        """Start to fill all of `memory` from the GPU."""
        self._copy(_address(memory), address, memory, self._cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost, stream)

    def begin_capture(self, stream: int) -> None:
        """Record what this thread puts into the stream instead of doing it; other threads may go on allocating."""
        rt = self._cudart
        mode = rt.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._check("cudaStreamBeginCapture", rt.cudaStreamBeginCapture(self._streams[stream], mode))

    def end_capture(self, stream: int) -> int:
        """Return what was recorded as a graph that is ready to be launched."""
        rt = self._cudart
        graph = self._check("cudaStreamEndCapture", rt.cudaStreamEndCapture(self._streams[stream]))
        try:
            ready = self._check("cudaGraphInstantiate", rt.cudaGraphInstantiate(graph, 0))
        finally:
            self._check("cudaGraphDestroy", rt.cudaGraphDestroy(graph))
        self._graphs[int(ready)] = ready
        return int(ready)

    def abandon_capture(self, stream: int) -> None:
        """End a capture that has failed.

        Also take CUDA's last error away: it stays this thread's until it is asked for, and libraries that ask after a
        launch of their own would take it for theirs.
        """
        rt = self._cudart
        error, graph = rt.cudaStreamEndCapture(self._streams[stream])
        if error == rt.cudaError_t.cudaSuccess:  # something else than CUDA has refused, as TensorRT may
            rt.cudaGraphDestroy(graph)
        rt.cudaGetLastError()

    def launch_graph(self, graph: int, stream: int) -> None:
        """Start to do what the graph holds."""
        self._check("cudaGraphLaunch", self._cudart.cudaGraphLaunch(self._graphs[graph], self._streams[stream]))

    def destroy_graph(self, graph: int) -> None:
        """Give it back."""
        self._check("cudaGraphExecDestroy", self._cudart.cudaGraphExecDestroy(self._graphs.pop(graph)))

    def close(self) -> None:
        """Do nothing: the process' context is shared with other users of the GPU."""

    def _find_gpu(self) -> Gpu:
        rt = self._cudart
        try:
            error, count = rt.cudaGetDeviceCount()
        except RuntimeError as exc:  # up to 12.6.2 there is no driver to ask for an error's text
            raise BackendUnavailableError(no_gpu(str(exc))) from exc
        if error == rt.cudaError_t.cudaErrorInsufficientDriver:
            driver = int(self._check("cudaDriverGetVersion", rt.cudaDriverGetVersion()))
            if driver:
                needed = int(self._check("cudaRuntimeGetVersion", rt.cudaRuntimeGetVersion()))
                raise BackendUnavailableError(old_driver(self._name, cuda_version(driver), cuda_version(needed)))
        if error != rt.cudaError_t.cudaSuccess:
            raise BackendUnavailableError(no_gpu(self._text(error)))
        if not count:
            raise BackendUnavailableError(no_gpu("cudaGetDeviceCount counts none"))
        found = self._check("cudaGetDeviceProperties", rt.cudaGetDeviceProperties(_DEVICE))
        driver = int(self._check("cudaDriverGetVersion", rt.cudaDriverGetVersion()))
        return Gpu(
            name=found.name.decode(errors="replace").strip("\0 "),
            compute_capability=f"{found.major}.{found.minor}",
            integrated=bool(found.integrated),
            maps_host_memory=bool(found.canMapHostMemory),
            driver_cuda=cuda_version(driver),
        )

    def _copy(self, target: int, source: int, memory: HostMemory, kind: object, stream: int) -> None:
        size = memory.array.nbytes
        self._check("cudaMemcpyAsync", self._cudart.cudaMemcpyAsync(target, source, size, kind, self._streams[stream]))

    def _check(self, function: str, result: tuple[Any, ...]) -> Any:  # noqa: ANN401 - whatever the function gives
        """Return what a function gave besides its error. Raises InferenceError."""
        error = result[0]
        if error != self._cudart.cudaError_t.cudaSuccess:
            raise InferenceError(f"{function} failed: {self._text(error)}")
        return result[1] if len(result) > 1 else None

    def _text(self, error: Any) -> str:  # noqa: ANN401 - the module's enumeration
        _, text = self._cudart.cudaGetErrorString(error)
        return f"{text.decode(errors='replace')} ({error.name})"


def _address(memory: HostMemory) -> int:
    return int(memory.array.ctypes.data)


def _name() -> str:
    return f"cuda-python {_version('cuda-bindings') or _version('cuda-python')}".rstrip()


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
