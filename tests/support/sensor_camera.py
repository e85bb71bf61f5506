"""A camera whose chip runs the network: pictures come with their outputs, and the host's backend computes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from mnv2_edge.frames import Frame, SensorOutputs
from mnv2_engines.backends import Backend, BackendReport
from mnv2_engines.errors import InferenceError
from mnv2_engines.preprocessing.frame_path import FramePreparer
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tensors import FloatArray, TensorArray, TensorSpec


class SensorCamera:
    """A source that runs `chip` on each picture of `film` before it gives the frame away, as its sensor would."""

    def __init__(self, film, chip: Backend, preprocess: Preprocess, engine: str) -> None:
        self._film = film
        self._chip = chip
        self._preparer = FramePreparer(chip.input_spec, preprocess)
        self._buffer = chip.allocate_input()
        self._engine = engine
        self.live = film.live
        self.endless = film.endless
        self.skipped = 0

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._film:
            view = self._preparer.prepare(frame.pixels, frame.color, self._buffer)
            arrays = tuple(output.copy() for output in self._chip.infer(self._buffer))
            yield replace(frame, outputs=SensorOutputs(self._engine, arrays, view))

    def close(self) -> None:
        self._film.close()


class SensorBackend:
    """What the host has of a network on a chip: it knows the tensors, and cannot compute."""

    def __init__(self, input_spec: TensorSpec, output_specs: tuple[TensorSpec, ...]) -> None:
        self.input_spec = input_spec
        self.output_specs = output_specs

    def allocate_input(self) -> TensorArray:
        return np.zeros(self.input_spec.shape, self.input_spec.dtype)

    def infer(self, buffer: TensorArray) -> Sequence[FloatArray]:
        raise InferenceError("the camera's chip runs this network: a frame came without its outputs")

    def report(self) -> BackendReport:
        return BackendReport("sensor", "chip 1.0", "the camera's chip", accelerated=True, on_sensor=True)

    def close(self) -> None:
        pass
