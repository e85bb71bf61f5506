"""Statistics of every activation of the float graph over real pictures."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mnv2_engines.errors import ModelError
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tensors import FloatArray, TensorArray, UInt8Array
from mnv2_engines.tflite.graph import Graph, Tensor
from mnv2_engines.tflite.runner import Runner
from mnv2_engines.tflite.writer import write_tflite

Moments: TypeAlias = npt.NDArray[np.float64]
"""One number per channel."""

__all__ = ["Moments", "Observation", "calibrate", "normalised"]

SAMPLES_PER_PICTURE = 1024
"""Elements kept of each activation for the range search: 50 pictures of a MobileNetV2 make 13 MB."""
MAX_MAGNITUDE = 1e15
"""Larger activations are nonsense, and their squares would leave float32."""
MAX_OBSERVED_BYTES = 64 << 20
"""Activations watched in one run; a larger network runs several times per picture instead of making a board swap."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Range of one activation over all calibration pictures, per channel: per element of its last axis."""

    minimum: Moments
    maximum: Moments
    mean: Moments
    power: Moments
    """Mean of the squares."""
    samples: FloatArray
    """Some rows of channels, [rows, channels], evenly taken."""

    def scaled(self, factor: Moments) -> "Observation":
        """Return what would have been seen with each channel multiplied by a positive factor."""
        return Observation(
            self.minimum * factor,
            self.maximum * factor,
            self.mean * factor,
            self.power * factor**2,
            self.samples * factor.astype(np.float32),
        )


def calibrate(
    graph: Graph,
    pictures: Sequence[UInt8Array],
    preprocess: Preprocess,
    *,
    threads: int,
    progress: Callable[[int, int], None] | None = None,
) -> Mapping[str, Observation]:
    """Run the pictures through the float graph; return an observation per float activation, the input's included.

    XNNPACK runs at full speed because the activations are declared as outputs; `preserve_all_tensors` turns it off.
    Raises ModelError when an activation becomes infinite or no number.
    """
    (network_input,) = graph.inputs
    watched = [tensor for tensor in graph.activations() if tensor.dtype == "float32"]
    watchers = {tensor.name: _Watcher(tensor.name) for tensor in (network_input, *watched)}
    groups = list(_groups(watched))
    total, done = len(groups) * len(pictures), 0
    for number, group in enumerate(groups):
        with Runner(write_tflite(graph, outputs=group), threads=threads) as runner:
            for picture in pictures:
                real = normalised(picture, preprocess, network_input.shape)
                if number == 0:
                    watchers[network_input.name].see(real)
                for name, values in runner.run(real):
                    watchers[name].see(values)
                done += 1
                if progress is not None:
                    progress(done, total)
    return {name: watcher.result() for name, watcher in watchers.items()}


def normalised(picture: UInt8Array, preprocess: Preprocess, shape: tuple[int, ...]) -> FloatArray:
    """Turn a picture of HxWx3 pixels into the network's float input of [1, H, W, 3].

    Raises ModelError when its size is another.
    """
    if picture.shape != shape[1:] or picture.dtype != np.uint8:
        raise ModelError(
            f"picture is {picture.dtype} {list(picture.shape)}: the network expects uint8 {list(shape[1:])}"
        )
    mean, std = np.array(preprocess.mean, np.float32), np.array(preprocess.std, np.float32)
    real: FloatArray = (picture.astype(np.float32) - mean) / std
    return real[None]


class _Watcher:
    """Statistics of one activation, accumulated picture by picture."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._pictures = 0
        self._minimum: Moments = np.array(np.inf)
        self._maximum: Moments = np.array(-np.inf)
        self._mean: Moments = np.array(0.0)
        self._power: Moments = np.array(0.0)
        self._samples: list[FloatArray] = []

    def see(self, values: TensorArray) -> None:
        rows = values.reshape(-1, values.shape[-1])
        low, high = rows.min(axis=0), rows.max(axis=0)
        if not (low.min() > -MAX_MAGNITUDE and high.max() < MAX_MAGNITUDE):  # no number compares false as well
            raise ModelError(
                f"activation {self._name!r} reaches {low.min():g} to {high.max():g}: "
                "the weights are damaged, or mean and std are wrong"
            )
        self._minimum = np.minimum(self._minimum, low, dtype=np.float64)
        self._maximum = np.maximum(self._maximum, high, dtype=np.float64)
        self._mean = self._mean + rows.mean(axis=0, dtype=np.float32)
        self._power = self._power + np.einsum("rc,rc->c", rows, rows) / len(rows)
        self._pictures += 1
        step = max(1, rows.size // SAMPLES_PER_PICTURE)
        self._samples.append(rows[step // 2 :: step].copy())

    def result(self) -> Observation:
        if not self._pictures:
            raise ModelError(f"activation {self._name!r} was never observed: calibration needs at least one picture")
        return Observation(
            self._minimum,
            self._maximum,
            self._mean / self._pictures,
            self._power / self._pictures,
            np.concatenate(self._samples),
        )


def _groups(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    group: list[Tensor] = []
    total = 0
    for tensor in tensors:
        if group and total + tensor.byte_count > MAX_OBSERVED_BYTES:
            yield group
            group, total = [], 0
        group.append(tensor)
        total += tensor.byte_count
    if group:
        yield group
