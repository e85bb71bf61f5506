"""What an import starts from and finds: tensors that are still in their file, and the network that they make."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Final

import numpy as np

from mnv2_engines.errors import ModelError
from mnv2_engines.networks import MobileNetV2, NetworkWeights
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tensors import FloatArray

__all__ = ["BFLOAT16", "MAX_ELEMENTS", "Expected", "ImportedNetwork", "StoredTensor", "decode_elements"]

MAX_ELEMENTS: Final = 1 << 26
"""64 Mi numbers: a MobileNetV2 of width 1.4 with 10,000 classes has 18 M in its largest tensor."""
BFLOAT16: Final = "bfloat16"
"""The one element type of weight files that numpy does not have: the upper half of a float32."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor of a weight file; valid while the file is open."""

    shape: tuple[int, ...]
    load: Callable[[], FloatArray]
    """Read it, as float32. Raises ModelError when the file has less than it promises."""

    def read(self) -> FloatArray:
        """Return its numbers. Raises ModelError for more than any network of the family has."""
        if prod(self.shape) > MAX_ELEMENTS:
            raise ModelError(
                f"a tensor of shape {list(self.shape)} is larger than any MobileNetV2 needs: it is not read"
            )
        return self.load()


def decode_elements(raw: bytes, dtype: str, byte_order: str = "<") -> FloatArray:
    """Return the elements of `raw` as a flat float32 array; `dtype` is numpy's code without byte order, or BFLOAT16.

    What is cut short at the end is left out: the caller knows how many there must be.
    """
    if dtype == BFLOAT16:
        halves = _view(raw, np.dtype(f"{byte_order}u2"))
        return (halves.astype(np.uint32) << 16).view(np.float32)
    return _view(raw, np.dtype(f"{byte_order}{dtype}")).astype(np.float32)


def _view(raw: bytes, dtype: "np.dtype[np.generic]") -> "np.ndarray[tuple[int], np.dtype[np.generic]]":
    return np.frombuffer(raw, dtype, count=len(raw) // dtype.itemsize)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the user says about a file; None where the user says nothing and the file decides."""

    width: float | None = None
    size_hw: tuple[int, int] | None = None
    classes: int | None = None
    part: str | None = None
    """Which of several networks in a checkpoint is meant: what stands before `features.` in its names."""

    def check_classes(self, found: int) -> None:
        """Raise ModelError when a file has another number of classes than the user said."""
        if self.classes is not None and self.classes != found:
            raise ModelError(f"the file has {found} classes, and --classes {self.classes} was given: leave it out")


@dataclass(frozen=True, slots=True)
class ImportedNetwork:
    """A network with its weights, ready to be written."""

    network: MobileNetV2
    weights: NetworkWeights
    preprocess: Preprocess
    origin: str
    """The framework, and whose conventions for pictures are assumed."""
    notes: tuple[str, ...] = ()
    """What was assumed, for the user to confirm."""
