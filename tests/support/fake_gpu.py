"""A GPU of host memory: streams do their work at `synchronize`, and whoever reads before that reads poison.

Addresses on the GPU are not those of the CPU, so that the wrong kind of pointer is found out. The modules in
`fake_cuda` and `fake_tensorrt` stand on it.
"""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

POISON = 0xFF
"""In every byte: a NaN in float32 and float16, -1 in integers."""
ON_DEVICE = 1 << 56
MAPPED = 1 << 57

INVALID_VALUE = 1
OUT_OF_MEMORY = 2
INSUFFICIENT_DRIVER = 35
NO_DEVICE = 100
INVALID_HANDLE = 400
ILLEGAL_STATE = 401
ILLEGAL_ADDRESS = 700
CONTEXT_DESTROYED = 709
CAPTURE_UNSUPPORTED = 900
CAPTURE_INVALIDATED = 901

NAMES = {
    0: ("cudaSuccess", "no error"),
    INVALID_VALUE: ("cudaErrorInvalidValue", "invalid argument"),
    OUT_OF_MEMORY: ("cudaErrorMemoryAllocation", "out of memory"),
    INSUFFICIENT_DRIVER: (
        "cudaErrorInsufficientDriver",
        "CUDA driver version is insufficient for CUDA runtime version",
    ),
    NO_DEVICE: ("cudaErrorNoDevice", "no CUDA-capable device is detected"),
    INVALID_HANDLE: ("cudaErrorInvalidResourceHandle", "invalid resource handle"),
    ILLEGAL_STATE: ("cudaErrorIllegalState", "the operation cannot be performed in the present state"),
    ILLEGAL_ADDRESS: ("cudaErrorIllegalAddress", "an illegal memory access was encountered"),
    CONTEXT_DESTROYED: ("cudaErrorContextIsDestroyed", "context is destroyed"),
    CAPTURE_UNSUPPORTED: ("cudaErrorStreamCaptureUnsupported", "operation not permitted when stream is capturing"),
    CAPTURE_INVALIDATED: (
        "cudaErrorStreamCaptureInvalidated",
        "operation failed due to a previous error during capture",
    ),
}


class GpuError(Exception):
    """Carry CUDA's number of an error."""

    def __init__(self, code: int) -> None:
        super().__init__(NAMES[code][1])
        self.code = code


@dataclass
class Work:
    """One thing in a stream: what it spoils at once, and what it does in the end."""

    begin: Callable[[], None]
    finish: Callable[[], None]


@dataclass
class Stream:
    work: list[Work] = field(default_factory=list)
    recording: list[Work] | None = None
    spoiled: bool = False
    """A capture in which something was refused."""


class FakeGpu:
    """What `fake_cuda`'s modules drive. Change the fields before a backend is opened."""

    def __init__(self) -> None:
        self.name = "Orin"
        self.compute_capability = (8, 7)
        self.integrated = True
        self.maps_host_memory = True
        self.driver = 12060
        self.present = True
        self.free_bytes = 1 << 32
        self.capturable = True
        """False: whatever is launched into a capture is refused, as some networks are."""
        self.context_uses = 0
        """How often the primary context has been retained and not released."""
        self._left_current = threading.local()
        self.instantiable = True
        """False: what was captured cannot be made ready to launch, as for want of memory."""
        self.last_error = 0
        """Of CUDA's runtime: it stays until it is asked for, by whomever."""
        self.launched_graphs = 0
        self.copied_bytes = 0
        self._lock = threading.RLock()
        self._handles = 0x1000
        self._sizes: dict[int, np.ndarray] = {}
        self._kinds: dict[int, str] = {}
        self.streams: dict[int, Stream] = {}
        self.graphs: dict[int, list[Work]] = {}
        self.executables: dict[int, list[Work]] = {}
        self._broken = 0

    @property
    def live(self) -> list[str]:
        """Return what has not been given back."""
        held = [f"{self._kinds[address]} memory" for address in self._sizes]
        for name, kept in (("stream", self.streams), ("graph", self.graphs), ("executable graph", self.executables)):
            held += [name] * len(kept)
        return sorted(held)

    def take_last_error(self) -> int:
        """Return the last error of the runtime, and forget it."""
        error, self.last_error = self.last_error, 0
        return error

    # the primary context

    def release_and_leave_current(self) -> None:
        """Do what pycuda does at the end of a primary context, in the thread that has made it."""
        self.context_uses -= 1
        self._left_current.found = True

    # memory

    def allocate(self, size: int, kind: str) -> int:
        """Return the address of new, poisoned memory: `pinned`, `mapped` or `device`."""
        self._require_health()
        if size > self.free_bytes:
            raise GpuError(OUT_OF_MEMORY)
        block = np.full(size, POISON, np.uint8)
        address = block.ctypes.data + (ON_DEVICE if kind == "device" else 0)
        self._sizes[address] = block
        self._kinds[address] = kind
        return address

    def free(self, address: int, *kinds: str) -> None:
        if self._kinds.get(address) not in kinds:
            raise GpuError(INVALID_VALUE)
        self._sizes.pop(address)[:] = POISON
        del self._kinds[address]

    def device_pointer(self, address: int) -> int:
        """Return where the GPU sees mapped memory."""
        if self._kinds.get(address) != "mapped":
            raise GpuError(INVALID_VALUE)
        return address + MAPPED

    def host(self, address: int, size: int) -> np.ndarray:
        """Return page-locked memory by the CPU's address."""
        block = self._sizes.get(address)
        if block is None or self._kinds[address] == "device" or size > block.size:
            raise GpuError(INVALID_VALUE)
        return block[:size]

    def device(self, address: int, size: int) -> np.ndarray:
        """Return memory by the GPU's address: the GPU's own, or mapped."""
        if address & MAPPED and self._kinds.get(address - MAPPED) == "mapped":
            block = self._sizes[address - MAPPED]
        elif self._kinds.get(address) == "device":
            block = self._sizes[address]
        else:
            raise GpuError(ILLEGAL_ADDRESS)
        if size > block.size:
            raise GpuError(ILLEGAL_ADDRESS)
        return block[:size]

    # streams

    def handle(self) -> int:
        self._handles += 0x10
        return self._handles

    def create_stream(self) -> int:
        self._require_health()
        handle = self.handle()
        self.streams[handle] = Stream()
        return handle

    def put(self, handle: int, work: Work) -> None:
        """Add work to a stream, or to the graph that is being captured from it."""
        stream = self._stream(handle)
        if stream.recording is None:
            work.begin()
            stream.work.append(work)
        elif self.capturable:
            stream.recording.append(work)
        else:
            stream.spoiled = True
            raise GpuError(CAPTURE_UNSUPPORTED)

    def copy(self, handle: int, target: int, source: int, size: int, *, to_device: bool) -> None:
        def begin() -> None:
            self.host(source if to_device else target, size)
            with contextlib.suppress(GpuError):  # a wrong address on the GPU shows when the work is done
                (self.device if to_device else self.host)(target, size)[:] = POISON

        def finish() -> None:
            self.copied_bytes += size
            if to_device:
                self.device(target, size)[:] = self.host(source, size)
            else:
                self.host(target, size)[:] = self.device(source, size)

        self.put(handle, Work(begin, finish))

    def synchronize(self, handle: int) -> None:
        stream = self._stream(handle)
        self._require_health()
        if stream.recording is not None:
            stream.spoiled = True
            raise GpuError(CAPTURE_UNSUPPORTED)
        with self._lock:
            work, stream.work = stream.work, []
            try:
                for one in work:
                    one.finish()
            except GpuError as exc:
                self._broken = exc.code  # sticky, as on the real one: nothing works from then on
                raise

    def begin_capture(self, handle: int) -> None:
        stream = self._stream(handle)
        stream.recording, stream.spoiled = [], False

    def end_capture(self, handle: int) -> int:
        stream = self._stream(handle)
        recorded, stream.recording = stream.recording, None
        if recorded is None:
            raise GpuError(ILLEGAL_STATE)
        if stream.spoiled:
            raise GpuError(CAPTURE_INVALIDATED)
        graph = self.handle()
        self.graphs[graph] = recorded
        return graph

    def is_capturing(self, handle: int) -> bool:
        return self._stream(handle).recording is not None

    def instantiate(self, graph: int) -> int:
        if not self.instantiable:
            raise GpuError(OUT_OF_MEMORY)
        executable = self.handle()
        self.executables[executable] = list(self.graphs[graph])
        return executable

    def launch(self, executable: int, handle: int) -> None:
        if executable not in self.executables:
            raise GpuError(INVALID_HANDLE)
        self.launched_graphs += 1
        for work in self.executables[executable]:
            self.put(handle, work)

    def _stream(self, handle: int) -> Stream:
        if handle not in self.streams:
            raise GpuError(INVALID_HANDLE)
        return self.streams[handle]

    def _require_health(self) -> None:
        if getattr(self._left_current, "found", False) and not self.context_uses:
            raise GpuError(CONTEXT_DESTROYED)
        if self._broken:
            raise GpuError(self._broken)
