"""The way of a frame to the network's input: crop, resize, colour, quantise, into the backend's buffer."""

import numpy as np

from mnv2_engines.errors import ContractError
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.preprocessing.pixel_table import TableKind, input_quantization, pixel_table, table_kind
from mnv2_engines.preprocessing.preprocess import ColorOrder, Preprocess, ResizeQuality
from mnv2_engines.preprocessing.resize import PictureFitter
from mnv2_engines.tensors import DTYPES, TensorArray, TensorSpec, UInt8Array

__all__ = ["FramePreparer", "default_preprocess", "fit_picture"]


def fit_picture(
    pixels: UInt8Array,
    color: ColorOrder,
    height: int,
    width: int,
    preprocess: Preprocess,
    quality: ResizeQuality = "antialias",
) -> tuple[UInt8Array, View]:
    """Return what the network would see of a frame, before quantising: height x width x 3 in `preprocess.color` order.

    For calibration and verification; a running camera uses `FramePreparer`, which sees exactly the same pixels. The
    picture belongs to the caller. Raises ContractError when the frame is not an H x W x 3 array of uint8.
    """
    import cv2

    swap = color != preprocess.color
    fitter = PictureFitter(height, width, preprocess.resize, quality, _padding(preprocess, swap=swap))
    picture, view = fitter.fit(pixels)
    return (np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8) if swap else picture), view


def default_preprocess(spec: TensorSpec) -> Preprocess:
    """Guess mean and std of a network that states none; the colour order is RGB and the crop the default one.

    A quantised input gets the values with which pixels become integers unchanged (uint8) or less 128 (int8), which is
    what converters assume. A float input gets 127.5 and 127.5, the MobileNet family's; for those the caller warns.
    Raises ContractError for other types.
    """
    if spec.dtype in {"float32", "float16"}:
        return Preprocess()
    quantization = input_quantization(spec)
    mean = float(quantization.zero_point + (128 if spec.dtype == "int8" else 0))
    std = 1.0 / quantization.scale
    return Preprocess(mean=(mean, mean, mean), std=(std, std, std))


class FramePreparer:
    """Writer of frames of any size into a backend's input buffer; int8 and uint8 inputs need no float on the way.

    One per camera, used by one thread: its scratch memory is allocated once per frame size. A letterbox's bars have the
    colour nearest to `preprocess.mean`, which is about zero for the network, as a convolution's own padding is.
    """

    def __init__(self, spec: TensorSpec, preprocess: Preprocess, quality: ResizeQuality = "antialias") -> None:
        """Work out the table. Raises ContractError when the tensor is not a picture of three channels."""
        channels = spec.shape[{"NHWC": 3, "NCHW": 1}[spec.layout]] if spec.layout != "flat" else 0
        if channels != 3 or spec.shape[0] != 1:
            raise ContractError(
                f"input {spec.name!r} is {spec.layout} of shape {list(spec.shape)}: "
                "[1, height, width, 3] or [1, 3, height, width] was expected"
            )
        self._spec = spec
        self._preprocess = preprocess
        self._quality: ResizeQuality = quality
        self._dtype = np.dtype(DTYPES[spec.dtype])
        height, width = spec.size_hw
        self._fitters: dict[ColorOrder, PictureFitter] = {}
        self._write: _InterleavedWriter | _PlanarWriter
        table = pixel_table(spec, preprocess)
        self._write = _InterleavedWriter(table, height, width) if spec.layout == "NHWC" else _PlanarWriter(table)

    def prepare(self, pixels: UInt8Array, color: ColorOrder, out: TensorArray) -> View:
        """Fill `out`, a buffer of the spec's shape and dtype, and return which part of the frame it shows.

        Raises ContractError when the frame is not an H x W x 3 array of uint8, or the buffer is another one.
        """
        if out.shape != self._spec.shape or out.dtype != self._dtype:
            raise ContractError(
                f"the buffer is {out.dtype} of shape {list(out.shape)}: {self._spec.dtype} of shape "
                f"{list(self._spec.shape)} was expected; take it from the backend's allocate_input"
            )
        swap = color != self._preprocess.color
        fitter = self._fitters.get(color)
        if fitter is None:
            height, width = self._spec.size_hw
            padding = _padding(self._preprocess, swap=swap)
            fitter = PictureFitter(height, width, self._preprocess.resize, self._quality, padding)
            self._fitters[color] = fitter
        picture, view = fitter.fit(pixels)
        self._write(picture, out[0], swap=swap)
        return view


class _InterleavedWriter:
    """Writer of a picture to an NHWC buffer."""

    def __init__(self, table: TensorArray, height: int, width: int) -> None:
        self._kind: TableKind = table_kind(table)
        # cv2.LUT wants one row per value: one channel serves all three, three channels one each.
        self._table: TensorArray = table[:, 0].copy() if self._kind == "shared" else table.reshape(256, 1, 3)
        self._swapped: UInt8Array = np.empty((height, width, 3), np.uint8)

    def __call__(self, picture: UInt8Array, out: TensorArray, *, swap: bool) -> None:
        import cv2

        if swap:
            cv2.cvtColor(picture, cv2.COLOR_BGR2RGB, dst=self._swapped)
            picture = self._swapped
        if self._kind == "identity":
            np.copyto(out, picture)
        elif self._kind == "flip-sign":
            np.bitwise_xor(picture, np.uint8(0x80), out=out.view(np.uint8))
        else:
            _look_up(picture, self._table, out)


class _PlanarWriter:
    """Writer of a picture to an NCHW buffer, a plane at a time: there swapping colours costs nothing."""

    def __init__(self, table: TensorArray) -> None:
        self._tables: list[TensorArray] = [table[:, channel].copy() for channel in range(3)]

    def __call__(self, picture: UInt8Array, out: TensorArray, *, swap: bool) -> None:
        import cv2

        for channel, plane in enumerate(cv2.split(picture)):
            target = 2 - channel if swap else channel
            _look_up(plane, self._tables[target], out[target])


def _look_up(picture: TensorArray, table: TensorArray, out: TensorArray) -> None:
    """Write `table[picture]` to `out`."""
    import cv2

    if table.dtype == np.float16:  # OpenCV looks up 16-bit integers in every version, half floats only in some
        table, out = table.view(np.uint16), out.view(np.uint16)
    cv2.LUT(picture, table, dst=out)


def _padding(preprocess: Preprocess, *, swap: bool) -> tuple[int, int, int]:
    """Return the pixel nearest to the mean, in the frames' channel order."""
    first, second, third = (max(0, min(255, round(mean))) for mean in preprocess.mean)
    return (third, second, first) if swap else (first, second, third)
