"""Buffers of memory files, where a Raspberry Pi has a dma-heap."""

import mmap
import os

import libcamera
from picamera2.allocators import Allocator


class MemoryFiles(Allocator):
    """Hand out memory files laid out as picamera2's own buffers are: one a frame, its planes in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.sync = Mapped
        self.mapped_buffers = {}
        self._of_stream = {}

    def allocate(self, libcamera_config, use_case) -> None:
        self.mapped_buffers = {}
        self._of_stream = {
            stream.stream: [self._new(stream) for _ in range(stream.buffer_count)] for stream in libcamera_config
        }

    def buffers(self, stream):
        return self._of_stream[stream]

    def _new(self, stream):
        """Make one NV12 frame. The virtual camera wants a plane each for brightness and colour."""
        file = os.memfd_create("frame")
        os.ftruncate(file, stream.frame_size)
        luma = stream.stride * stream.size.height
        planes = []
        for offset, length in ((0, luma), (luma, stream.frame_size - luma)):
            plane = libcamera.FrameBuffer.Plane()
            plane.fd, plane.offset, plane.length = file, offset, length
            planes.append(plane)
        buffer = libcamera.FrameBuffer(planes)
        self.mapped_buffers[buffer] = mmap.mmap(file, stream.frame_size)
        os.close(file)  # libcamera and the mapping hold their own
        return buffer


class Mapped:
    """Give access to a frame: memory files need no synchronising, and libcamera 0.4.0 leaves `bytes_used` unset."""

    def __init__(self, allocator, buffer, write) -> None:
        self._mapping = allocator.mapped_buffers[buffer]

    def __enter__(self):
        return self._mapping

    def __exit__(self, *exc_info) -> None:
        pass
