"""Parts that behave like the real ones, small and fast."""

import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np

from mnv2_edge.frames import Frame
from mnv2_edge.records import Record
from mnv2_engines.backends import BackendReport
from mnv2_engines.predictions import Findings, Prediction
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.tensors import FloatArray, Quantization, TensorArray, TensorSpec


class FilmSource:
    """Give `count` frames of 8x8 pixels, frame n filled with n, `period_s` apart when it is live."""

    def __init__(
        self,
        count: int,
        *,
        live: bool = False,
        endless: bool = False,
        period_s: float = 0.0,
        source_id: str = "cam",
        error: Exception | None = None,
    ) -> None:
        self.live = live
        self.endless = endless
        self.skipped = 0
        self.given = 0
        self.closed = threading.Event()
        self._count = count
        self._period_s = period_s
        self._source_id = source_id
        self._error = error

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self._count):
            if self.closed.wait(self._period_s):
                return
            pixels = np.full((8, 8, 3), index % 256, np.uint8)
            self.given += 1
            yield Frame(pixels, "RGB", index, time.monotonic_ns(), self._source_id)
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self.closed.set()


class HangingSource(FilmSource):
    """Give one frame, then hang as a driver does: closing does not help, only `let_go`."""

    def __init__(self) -> None:
        super().__init__(1, live=True, endless=True)
        self.let_go = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        yield from super().__iter__()
        self.let_go.wait(20)


class EchoBackend:
    """Return the mean of its input pixels as the only output, after `infer_s`."""

    def __init__(self, infer_s: float = 0.0, *, size: int = 8) -> None:
        self.input_spec = TensorSpec("input", (1, size, size, 3), "uint8", "NHWC", Quantization(1.0, 0))
        self.output_specs = (TensorSpec("mean", (1, 1), "float32"),)
        self.infer_s = infer_s
        self.busy = threading.Lock()

    def allocate_input(self) -> TensorArray:
        return np.zeros(self.input_spec.shape, np.uint8)

    def infer(self, buffer: TensorArray) -> Sequence[FloatArray]:
        with self.busy:
            seen = buffer.copy()
            if self.infer_s:
                time.sleep(self.infer_s)
            if not np.array_equal(seen, buffer):
                raise RuntimeError("the buffer was written to while it was in infer")
            return [np.array([[seen.mean()]], np.float32)]

    def report(self) -> BackendReport:
        return BackendReport("echo", "echo 1", "CPU", accelerated=True)

    def close(self) -> None:
        return


class StrictBackend(EchoBackend):
    """Give the mean of the pixels it was shown whatever its input is like; refuse foreign buffers, and to run closed.

    `close` fills its buffers, so that `clean` shows whether somebody wrote to one afterwards, where a real backend has
    no memory any more.
    """

    def __init__(
        self, infer_s: float = 0.0, *, size: int = 8, dtype: str = "uint8", quantization: Quantization | None = None
    ) -> None:
        super().__init__(infer_s, size=size)
        self.quantization = quantization or Quantization(1.0, 0)
        self.input_spec = TensorSpec("input", (1, size, size, 3), dtype, "NHWC", self.quantization)
        self.closed = False
        self._buffers: list[TensorArray] = []

    def allocate_input(self) -> TensorArray:
        self._buffers.append(np.zeros(self.input_spec.shape, self.input_spec.dtype))
        return self._buffers[-1]

    def infer(self, buffer: TensorArray) -> Sequence[FloatArray]:
        if self.closed:
            raise RuntimeError("infer on a closed engine")
        if not any(buffer is own for own in self._buffers):
            raise RuntimeError("this buffer is another engine's")
        (mean,) = super().infer(buffer)
        if self.closed:
            raise RuntimeError("the engine was closed while it inferred")
        return [(mean - self.quantization.zero_point) * self.quantization.scale]

    def close(self) -> None:
        self.closed = True
        for buffer in self._buffers:
            buffer.fill(77)

    @property
    def clean(self) -> bool:
        return self.closed and all((buffer == 77).all() for buffer in self._buffers)


class EchoTask:
    """Say the mean as the label."""

    name = "classify"

    def decode(self, outputs: Sequence[FloatArray], view: View) -> Findings:
        mean = round(float(outputs[0][0, 0]))
        return Findings(predictions=(Prediction(mean, str(mean), 1.0),))


class ListSink:
    """Keep every record."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.broken = ""
        self.failed = False
        self.dropped = 0
        self.closed = False

    def publish(self, record: Record) -> None:
        self.records.append(record)

    def wait_backlog(self, at_most: int, timeout_s: float) -> bool:
        return True

    def close(self) -> None:
        self.closed = True
