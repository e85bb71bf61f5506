"""CUDA through pycuda, which is built on the device and has no graphs."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib import metadata
from types import ModuleType
from typing import Any, Final, TypeVar

import numpy as np

from mnv2_engines.cuda import Gpu, HostMemory
from mnv2_engines.cuda.support import cuda_version, host_array, no_gpu
from mnv2_engines.errors import BackendUnavailableError, InferenceError

__all__ = ["PycudaRuntime", "import_pycuda_driver"]

_DEVICE: Final = 0
_Given = TypeVar("_Given")


def import_pycuda_driver() -> ModuleType:
    """Return the module `pycuda.driver`. Raises ImportError, also when there is no `libcuda.so.1`."""
    from pycuda import driver

    module: ModuleType = driver
    return module


class PycudaRuntime:
    """`CudaRuntime` on PyCUDA, without graphs.

    It shares the primary context with TensorRT, which uses the runtime API. pycuda ends the process when a thread ends
    with a context on its stack ("The context stack was not empty"), so it is pushed for each piece of work alone. So it
    is to give memory back, too: pycuda's own objects do that in the thread alone that has made the context.
    """

    def __init__(self, driver: ModuleType) -> None:
        """Take the GPU's primary context. Raises BackendUnavailableError when there is no GPU."""
        self._driver: Any = driver
        try:
            driver.init()
            if not driver.Device.count():
                raise BackendUnavailableError(no_gpu("cuDeviceGetCount counts none"))
            device = driver.Device(_DEVICE)
            self._gpu = _describe(driver, device)
            _keep_primary_context(driver)
            self._context = device.retain_primary_context()
        except driver.Error as exc:
            raise BackendUnavailableError(no_gpu(str(exc))) from exc
        self._streams: dict[int, Any] = {}
        self._allocations: dict[int, Any] = {}

    @property
    def name(self) -> str:
        """Name the Python package and its version."""
        try:
            return f"pycuda {metadata.version('pycuda')}"
        except metadata.PackageNotFoundError:
            return "pycuda"

    @property
    def has_graphs(self) -> bool:
        """Return False."""
        return False

    @property
    def gpu(self) -> Gpu:
        """Describe the GPU."""
        return self._gpu

    def current(self) -> AbstractContextManager[None]:
        """Push the context for the calling thread, and pop it at the end."""
        return self._pushed()

    def allocate_host(self, size: int, *, mapped: bool) -> HostMemory:
        """Return `size` bytes of zeroed page-locked memory."""
        driver = self._driver
        flags = driver.host_alloc_flags.DEVICEMAP if mapped else 0
        array = self._do(lambda: driver.pagelocked_empty(size, np.uint8, mem_flags=flags))
        allocation, context = array.base, self._context

        def free() -> None:
            with contextlib.suppress(driver.Error):  # after a failed launch CUDA refuses everything
                context.push()
                try:
                    allocation.free()
                finally:
                    context.pop()

        memory = host_array(int(array.ctypes.data), size, free)
        return HostMemory(memory, self._do(lambda: int(array.base.get_device_pointer())) if mapped else None)

    def allocate_device(self, size: int) -> int:
        """Return the address of `size` bytes on the GPU."""
        allocation = self._do(lambda: self._driver.mem_alloc(size))
        self._allocations[int(allocation)] = allocation
        return int(allocation)

    def free_device(self, address: int) -> None:
        """Give it back."""
        self._do(self._allocations.pop(address).free)

    def create_stream(self) -> int:
        """Return a new stream. It waits for the default one, which is not used: pycuda has no name for the flag."""
        stream = self._do(self._driver.Stream)
        self._streams[int(stream.handle)] = stream
        return int(stream.handle)

    def destroy_stream(self, stream: int) -> None:
        """Give it back: the object's end is the stream's."""
        del self._streams[stream]

    def synchronize(self, stream: int) -> None:
        """Wait until all work in the stream is done."""
        self._do(self._streams[stream].synchronize)

    def copy_to_device(self, address: int, memory: HostMemory, stream: int) -> None:
        """Start to copy all of `memory` to the GPU."""
        self._do(lambda: self._driver.memcpy_htod_async(address, memory.array, self._streams[stream]))

    def copy_to_host(self, memory: HostMemory, address: int, stream: int) -> None:
        """Start to fill all of `memory` from the GPU."""
        self._do(lambda: self._driver.memcpy_dtoh_async(memory.array, address, self._streams[stream]))

    def begin_capture(self, stream: int) -> None:
        """Raise InferenceError."""
        raise InferenceError(f"{self.name} cannot capture graphs (stream {stream}): install cuda-python for them")

    def end_capture(self, stream: int) -> int:
        """Raise InferenceError."""
        raise InferenceError(f"{self.name} cannot capture graphs (stream {stream}): install cuda-python for them")

    def abandon_capture(self, stream: int) -> None:
        """Raise InferenceError."""
        raise InferenceError(f"{self.name} cannot capture graphs (stream {stream}): install cuda-python for them")

    def launch_graph(self, graph: int, stream: int) -> None:
        """Raise InferenceError."""
        raise InferenceError(f"{self.name} cannot launch graph {graph} (stream {stream}): install cuda-python for them")

    def destroy_graph(self, graph: int) -> None:
        """Raise InferenceError."""
        raise InferenceError(f"{self.name} has no graph {graph}: install cuda-python for them")

    def close(self) -> None:
        """Release the primary context, which stays for the process: see `_keep_primary_context`."""
        self._context = None

    @contextlib.contextmanager
    def _pushed(self) -> Iterator[None]:
        context = self._context
        if context is None:
            raise InferenceError("the GPU was let go of: open it again before using it")
        self._do(context.push)
        try:
            yield
        finally:
            context.pop()

    def _do(self, call: Callable[[], _Given]) -> _Given:
        try:
            return call()
        except self._driver.Error as exc:  # its text is `cuMemAlloc failed: out of memory`
            raise InferenceError(str(exc)) from exc


@functools.cache
def _keep_primary_context(driver: Any) -> Any:  # noqa: ANN401 - pycuda's module and class
    """Hold the GPU's primary context until the process ends, as CUDA's runtime does.

    When a context of pycuda's ends in the thread that has made it, it is made current, released and left there
    (`context::detach` of pycuda 2026.1, which counts on the release to pop it: that of a primary context does not). As
    long as it is held, what is left there is the context that CUDA's runtime makes current anyway. When nobody
    does it is dead, and every call of CUDA's runtime in that thread fails.
    """
    device = driver.Device(_DEVICE)
    return device.retain_primary_context()


def _describe(driver: Any, device: Any) -> Gpu:  # noqa: ANN401 - pycuda's module and class
    major, minor = device.compute_capability()
    attributes = driver.device_attribute
    return Gpu(
        name=str(device.name()),
        compute_capability=f"{major}.{minor}",
        integrated=bool(device.get_attribute(attributes.INTEGRATED)),
        maps_host_memory=bool(device.get_attribute(attributes.CAN_MAP_HOST_MEMORY)),
        driver_cuda=cuda_version(int(driver.get_driver_version())),
    )
