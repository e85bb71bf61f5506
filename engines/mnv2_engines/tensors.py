"""The tensors at a network's ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["DTYPES", "DTypeName", "FloatArray", "Layout", "Quantization", "TensorArray", "TensorSpec", "UInt8Array"]

DTypeName: TypeAlias = Literal["float32", "float16", "int8", "uint8", "int32", "int64", "bool"]
Layout: TypeAlias = Literal["NHWC", "NCHW", "flat"]
UInt8Array: TypeAlias = npt.NDArray[np.uint8]
FloatArray: TypeAlias = npt.NDArray[np.float32]
TensorArray: TypeAlias = npt.NDArray[Any]

DTYPES: Mapping[DTypeName, type[np.generic]] = {
    "float32": np.float32,
    "float16": np.float16,
    "int8": np.int8,
    "uint8": np.uint8,
    "int32": np.int32,
    "int64": np.int64,
    "bool": np.bool_,
}


@dataclass(frozen=True, slots=True)
class Quantization:
    """Mapping of integers to reals: ``real = (integer - zero_point) * scale``, one pair for the whole tensor."""

    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a network."""

    name: str
    shape: tuple[int, ...]
    """With the batch dimension, which is always 1."""
    dtype: DTypeName
    layout: Layout = "flat"
    """Where height, width and channels are; `flat` for everything that is not a picture."""
    quantization: Quantization | None = None

    @property
    def size_hw(self) -> tuple[int, int]:
        """Return (height, width) in pixels of a picture tensor.

        Raises ValueError for a `flat` tensor.
        """
        if self.layout == "NHWC":
            return self.shape[1], self.shape[2]
        if self.layout == "NCHW":
            return self.shape[2], self.shape[3]
        raise ValueError(
            f"tensor {self.name!r} of shape {list(self.shape)} is not a picture: NHWC or NCHW was expected"
        )
