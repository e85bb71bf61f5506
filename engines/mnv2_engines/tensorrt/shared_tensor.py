"""A tensor that CPU and GPU both reach: in one place, or in two with a copy between them."""

from typing import Final, Literal, TypeAlias

import numpy as np

from mnv2_engines.cuda import CudaRuntime, Gpu, HostMemory
from mnv2_engines.errors import ContractError
from mnv2_engines.tensors import DTYPES, TensorArray, TensorSpec

__all__ = ["MemoryMode", "SharedTensor", "choose_memory"]

MemoryMode: TypeAlias = Literal["auto", "mapped", "copy"]


def choose_memory(mode: MemoryMode, gpu: Gpu) -> Literal["mapped", "copy"]:
    """Resolve `auto`: mapped where CPU and GPU share their memory anyway, so that a frame is written once.

    Raises ContractError for `mapped` on a GPU that cannot.
    """
    if mode == "mapped" and not gpu.maps_host_memory:
        raise ContractError(f"memory 'mapped' is not possible on {gpu.name}: expected copy, or auto")
    if mode == "auto":
        return "mapped" if gpu.integrated and gpu.maps_host_memory else "copy"
    return mode


class SharedTensor:
    """Owner of the memory of one tensor."""

    def __init__(self, cuda: CudaRuntime, spec: TensorSpec, *, mapped: bool) -> None:
        self.name: Final = spec.name
        dtype = np.dtype(DTYPES[spec.dtype])
        size = int(np.prod(spec.shape)) * dtype.itemsize
        self._cuda = cuda
        self._host: HostMemory | None = cuda.allocate_host(size, mapped=mapped)
        self.array: TensorArray = self._host.array.view(dtype).reshape(spec.shape)
        """What the CPU reads and writes."""
        self._copied = self._host.device_address is None
        self.address: Final = cuda.allocate_device(size) if self._copied else int(self._host.device_address or 0)
        """Where the GPU finds it."""

    def send(self, stream: int) -> None:
        """Make the data of `array` readable for the GPU."""
        if self._copied and self._host is not None:
            self._cuda.copy_to_device(self.address, self._host, stream)

    def fetch(self, stream: int) -> None:
        """Make the GPU's data readable in `array`, once the stream is synchronised."""
        if self._copied and self._host is not None:
            self._cuda.copy_to_host(self._host, self.address, stream)

    def close(self) -> None:
        """Free the GPU's side; the CPU's lives for as long as somebody has `array`. Safe to call twice."""
        if self._host is None:
            return
        self._host = None
        self.array = np.empty(0, self.array.dtype)
        if self._copied:
            self._cuda.free_device(self.address)
