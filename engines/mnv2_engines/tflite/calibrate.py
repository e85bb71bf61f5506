"""Watch every activation of the float graph while it sees real pictures."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
import numpy.typing as npt

from mnv2_engines.errors import ModelError
from mnv2_engines.preprocess import Preprocess
from mnv2_engines.tensors import FloatArray, TensorArray, UInt8Array
from mnv2_engines.tflite.graph import Graph, Tensor
from mnv2_engines.tflite.runner import Runner
from mnv2_engines.tflite.writer import write_tflite

__all__ = ["Observation", "calibrate", "normalised"]

SAMPLES_PER_PICTURE = 1024
"""Elements kept of each activation for the range search: 50 pictures of a MobileNetV2 make 13 MB."""
MAX_OBSERVED_BYTES = 64 << 20
"""Activations watched in one run of the network; a larger network runs several times per picture instead of swapping."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Say what one activation was over all calibration pictures."""

    minimum: float
    maximum: float
    mean: npt.NDArray[np.float64]
    """Per element of the last axis: the channels."""
    samples: FloatArray
    """An even sample of all elements, in no order."""


def calibrate(
    graph: Graph,
    pictures: Sequence[UInt8Array],
    preprocess: Preprocess,
    *,
    threads: int,
    progress: Callable[[int, int], None] | None = None,
) -> Mapping[str, Observation]:
    """Run the pictures through the float graph; return an observation per float activation, the input's included.

    XNNPACK runs at full speed because the activations are declared as outputs; `preserve_all_tensors` would turn it off.
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
        raise ModelError(f"picture is {picture.dtype} {list(picture.shape)}: the network expects uint8 {list(shape[1:])}")
    mean, std = np.float32(preprocess.mean), np.float32(preprocess.std)
    return ((picture.astype(np.float32) - mean) / std)[None]


class _Watcher:
    """Accumulate what is needed of one activation, picture by picture."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._minimum, self._maximum = np.inf, -np.inf
        self._sum: npt.NDArray[np.float64] | None = None
        self._rows = 0
        self._samples: list[FloatArray] = []

    def see(self, values: TensorArray) -> None:
        channels = values.shape[-1] if values.ndim else 1
        rows = values.reshape(-1, channels)
        low, high = float(rows.min()), float(rows.max())
        if not np.isfinite(low) or not np.isfinite(high):
            raise ModelError(f"activation {self._name!r} becomes infinite or no number: the weights are damaged, or mean and std are wrong")
        self._minimum, self._maximum = min(self._minimum, low), max(self._maximum, high)
        total = rows.sum(axis=0).astype(np.float64)
        self._sum = total if self._sum is None else self._sum + total
        self._rows += len(rows)
        self._samples.append(rows.reshape(-1)[:: _stride(rows.size, channels)].copy())

    def result(self) -> Observation:
        if self._sum is None:
            raise ModelError(f"activation {self._name!r} was never observed: calibration needs at least one picture")
        return Observation(self._minimum, self._maximum, self._sum / self._rows, np.concatenate(self._samples))


def _stride(size: int, channels: int) -> int:
    """Return a step that meets every channel alike."""
    step = max(1, size // SAMPLES_PER_PICTURE)
    while gcd(step, channels) > 1 and step < size:
        step += 1
    return step


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
