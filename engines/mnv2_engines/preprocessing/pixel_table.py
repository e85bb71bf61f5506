"""Table from the 256 values of a pixel to the network's numbers: no arithmetic on the frame path."""

from typing import Literal, TypeAlias

import numpy as np

from mnv2_engines.errors import ContractError
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tensors import DTYPES, Quantization, TensorArray, TensorSpec

__all__ = ["TableKind", "input_quantization", "pixel_table", "table_kind"]

TableKind: TypeAlias = Literal["identity", "flip-sign", "shared", "per-channel"]

_TIE = 2.0**-10
"""Half-way values go up, also when a file's float32 scale left them just below: with mean 127.5 and zero point -1 all
256 values sit half-way, and rounding them apart would map two pixels to one integer."""


def pixel_table(spec: TensorSpec, preprocess: Preprocess) -> TensorArray:
    """Return what each pixel value becomes, shape (256, 3), channels in `preprocess.color` order, of the spec's dtype.

    Integers are ``round((pixel - mean) / std / scale + zero_point)``, saturated. Raises ContractError for a tensor that
    is not float32, float16, int8 or uint8.
    """
    pixels = np.arange(256.0)[:, np.newaxis]
    real = (pixels - np.array(preprocess.mean)) / np.array(preprocess.std)
    dtype = DTYPES[spec.dtype]
    if spec.dtype in {"float32", "float16"}:
        return np.asarray(real, dtype=dtype)
    quantization = input_quantization(spec)
    limits = np.iinfo(spec.dtype)
    steps = np.floor(real / quantization.scale + quantization.zero_point + 0.5 + _TIE)
    return np.asarray(np.clip(steps, limits.min, limits.max), dtype=dtype)


def input_quantization(spec: TensorSpec) -> Quantization:
    """Return the quantisation of an int8 or uint8 input; integers without one stand for themselves."""
    if spec.dtype not in {"int8", "uint8"}:
        raise ContractError(f"input {spec.name!r} is {spec.dtype}: float32, float16, int8 or uint8 was expected")
    quantization = spec.quantization or Quantization(1.0, 0)
    if not quantization.scale > 0.0:
        raise ContractError(f"input {spec.name!r} has scale {quantization.scale}: a scale above 0 was expected")
    return quantization


def table_kind(table: TensorArray) -> TableKind:
    """Return how little a table asks for: nothing (uint8), the top bit flipped (int8), or one or three look-ups."""
    identity = np.arange(256, dtype=np.uint8)[:, np.newaxis]
    if table.dtype == np.uint8 and bool((table == identity).all()):
        return "identity"
    if table.dtype == np.int8 and bool((table.view(np.uint8) == (identity ^ 0x80)).all()):
        return "flip-sign"
    return "shared" if bool((table == table[:, :1]).all()) else "per-channel"
