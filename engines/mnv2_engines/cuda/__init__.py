"""The parts of CUDA that inference needs: the interface that both Python packages for it implement."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from mnv2_engines.tensors import UInt8Array

__all__ = ["CudaRuntime", "Gpu", "HostMemory"]


@dataclass(frozen=True, slots=True)
class Gpu:
    """What the driver reports about one GPU."""

    name: str
    compute_capability: str
    """For example `8.7`."""
    integrated: bool
    """True where CPU and GPU share one memory, as on every Jetson."""
    maps_host_memory: bool
    """Whether the GPU can read host memory that was allocated for it."""
    driver_cuda: str
    """The CUDA version that the driver serves, for example `12.6`."""


@dataclass(frozen=True, slots=True, eq=False)
class HostMemory:
    """Page-locked memory. It is freed when the last array that uses it is gone, never before.

    So a thread that still holds a buffer of a closed backend writes to memory that is there.
    """

    array: UInt8Array
    """One dimension."""
    device_address: int | None
    """Where the GPU sees these very bytes; None unless they are mapped."""


class CudaRuntime(Protocol):
    """Memory, copies and launches on GPU 0.

    Everything but the properties and `close` has to be called inside of a `with runtime.current()`, by whichever
    thread. Addresses, streams and graphs are plain integers. Each method raises InferenceError with CUDA's own text.
    """

    @property
    def name(self) -> str:
        """Name the Python package and its version."""
        ...

    @property
    def has_graphs(self) -> bool:
        """Return whether work can be captured into a graph; else the five methods for it raise InferenceError."""
        ...

    @property
    def gpu(self) -> Gpu:
        """Describe the GPU."""
        ...

    def current(self) -> AbstractContextManager[None]:
        """Let the calling thread use the GPU inside of the `with`; TensorRT wants that too."""
        ...

    def allocate_host(self, size: int, *, mapped: bool) -> HostMemory:
        """Return `size` bytes of zeroed page-locked memory; with `mapped` the GPU sees them without a copy."""
        ...

    def allocate_device(self, size: int) -> int:
        """Return the address of `size` bytes on the GPU."""
        ...

    def free_device(self, address: int) -> None:
        """Give it back."""
        ...

    def create_stream(self) -> int:
        """Return a new stream that does not wait for the default one."""
        ...

    def destroy_stream(self, stream: int) -> None:
        """Give it back."""
        ...

    def synchronize(self, stream: int) -> None:
        """Wait until all work in the stream is done; errors of that work are raised here."""
        ...

    def copy_to_device(self, address: int, memory: HostMemory, stream: int) -> None:
        """Start to copy all of `memory` to the GPU; it must not change before the stream is synchronised."""
        ...

    def copy_to_host(self, memory: HostMemory, address: int, stream: int) -> None:
        """Start to fill all of `memory` from the GPU."""
        ...

    def begin_capture(self, stream: int) -> None:
        """Record what is put into the stream from now on instead of doing it."""
        ...

    def end_capture(self, stream: int) -> int:
        """Return what was recorded as a graph that is ready to be launched."""
        ...

    def abandon_capture(self, stream: int) -> None:
        """End a capture in which something has failed, and forget what was recorded and that it failed.

        Raises nothing that CUDA says: there may be no capture left to end.
        """
        ...

    def launch_graph(self, graph: int, stream: int) -> None:
        """Start to do what the graph holds."""
        ...

    def destroy_graph(self, graph: int) -> None:
        """Give it back."""
        ...

    def close(self) -> None:
        """Release the GPU when nothing of it is in use any more. Safe to call twice."""
        ...
