"""Resize and Upsample: RESIZE_BILINEAR, and nearest neighbour by repetition or RESIZE_NEAREST_NEIGHBOR."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from mnv2_engines.errors import ModelError, UnsupportedOperatorError
from mnv2_engines.tflite.graph import Shape, Tensor
from mnv2_engines.tflite.importer.lowering import NHWC, Lowering, TensorView, lowers
from mnv2_engines.tflite.importer.onnx_model import OnnxNode
from mnv2_engines.tflite.operator import Operator, ScaleRule
from mnv2_engines.tflite.operators.joining import emit_concatenation
from mnv2_engines.tflite.operators.shaping import reshape

__all__ = ["ResizeBilinear", "ResizeNearest"]

_MAX_SIDE = 1 << 14


@dataclass(frozen=True, slots=True)
class _Resize(Operator):
    """Resize of an NHWC picture; input 1 holds height and width."""

    rule: ClassVar[ScaleRule] = ScaleRule.SHARED
    size: tuple[int, int]
    align_corners: bool
    half_pixel_centers: bool

    def output_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Replace height and width."""
        return ((shapes[0][0], *self.size, shapes[0][3]),)

    def version(self, *, quantised: bool) -> int:
        """Ask for half_pixel_centers (3)."""
        del quantised
        return 3


@dataclass(frozen=True, slots=True)
class ResizeBilinear(_Resize):
    """Interpolation between the four nearest pixels."""

    builtin: ClassVar[str] = "RESIZE_BILINEAR"

    def options(self, schema: ModuleType) -> object:
        """Fill ResizeBilinearOptions."""
        table = schema.ResizeBilinearOptionsT()
        table.alignCorners, table.halfPixelCenters = self.align_corners, self.half_pixel_centers
        return table


@dataclass(frozen=True, slots=True)
class ResizeNearest(_Resize):
    """The nearest pixel; XNNPACK leaves this operator to the plain kernels."""

    builtin: ClassVar[str] = "RESIZE_NEAREST_NEIGHBOR"

    def options(self, schema: ModuleType) -> object:
        """Fill ResizeNearestNeighborOptions."""
        table = schema.ResizeNearestNeighborOptionsT()
        table.alignCorners, table.halfPixelCenters = self.align_corners, self.half_pixel_centers
        return table


@lowers("Resize", "Upsample")
def lower_resize(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower scaling of height and width; what TFLite would sample elsewhere is refused, not approximated."""
    picture = lowering.picture(node)
    height, width = picture.shape[1], picture.shape[2]
    size, scales = _target(node, lowering, (picture.shape[0], picture.shape[3], height, width))
    mode = node.text("mode", "nearest")
    legacy = node.op_type == "Upsample" or lowering.opset < 11
    transform = "asymmetric" if legacy else node.text("coordinate_transformation_mode", "half_pixel")
    if (
        node.integer("antialias", 0)
        or node.integer("exclude_outside", 0)
        or mode not in {"nearest", "linear", "bilinear"}
    ):
        raise UnsupportedOperatorError(
            f"{node}: mode {mode} or one of its options does not compile; only nearest and linear do"
        )
    wanted = [
        _coordinates(node, transform, n, out, scale)
        for n, out, scale in zip((height, width), size, scales, strict=True)
    ]
    table = lowering.add_constant(f"{node.name}/size", np.array(size))
    if mode == "nearest":
        rounding = "floor" if legacy else node.text("nearest_mode", "round_prefer_floor")
        picked = [np.clip(_rounded(node, rounding, c), 0, n - 1) for c, n in zip(wanted, (height, width), strict=True)]
        repeats = (size[0] // height, size[1] // width)
        if all(
            np.array_equal(c, np.arange(out) // r) for c, out, r in zip(picked, size, repeats, strict=True) if r
        ) and all(repeats):
            return TensorView(_repeat(node, lowering, picture, repeats), NHWC)
        for align, half in ((False, False), (False, True), (True, False)):
            ours = [
                _tflite_nearest(n, out, align=align, half=half) for n, out in zip((height, width), size, strict=True)
            ]
            if all(np.array_equal(a, b) for a, b in zip(picked, ours, strict=True)):
                return TensorView(lowering.emit(node, ResizeNearest(size, align, half), [picture, table]), NHWC)
    else:
        clipped = [np.clip(c, 0, n - 1) for c, n in zip(wanted, (height, width), strict=True)]
        for align, half in ((False, True), (True, False), (False, False)):
            lines = [
                _tflite_linear(n, out, align=align, half=half) for n, out in zip((height, width), size, strict=True)
            ]
            if all(np.allclose(a, b, atol=1e-4) for a, b in zip(clipped, lines, strict=True)):
                return TensorView(lowering.emit(node, ResizeBilinear(size, align, half), [picture, table]), NHWC)
    raise UnsupportedOperatorError(
        f"{node}: {mode} from {height}x{width} to {size[0]}x{size[1]} with {transform} has no TFLite counterpart"
    )


def _repeat(node: OnnxNode, lowering: Lowering, picture: Tensor, repeats: tuple[int, int]) -> Tensor:
    """Repeat rows and columns by joining the picture with itself: XNNPACK takes no RESIZE_NEAREST_NEIGHBOR."""
    batch, height, width, channels = picture.shape
    rows, columns = repeats
    wide = emit_concatenation(node, lowering, [picture] * columns, 3)  # each pixel's channels, several times in a row
    strips = reshape(node, lowering, TensorView.plain(wide), (batch, height, 1, width * columns * channels))
    tall = emit_concatenation(node, lowering, [strips.tensor] * rows, 2)
    return reshape(node, lowering, TensorView.plain(tall), (batch, height * rows, width * columns, channels)).tensor


def _target(node: OnnxNode, lowering: Lowering, shape: Shape) -> tuple[tuple[int, int], tuple[float, float]]:
    """Return the output size and the scales of height and width; `shape` is [batch, channels, height, width]."""
    if node.op_type == "Upsample" or lowering.opset < 11:
        scales_at, sizes_at = (1 if node.has_input(1) else None), None
    else:
        scales_at, sizes_at = (2 if node.has_input(2) else None), (3 if node.has_input(3) else None)
    if "axes" in node.attributes or node.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise UnsupportedOperatorError(
            f"{node}: axes and keep_aspect_ratio_policy do not compile; export with the whole target size"
        )
    if sizes_at is not None:
        sizes = lowering.integers(node, sizes_at)
        scales: tuple[float, ...] = tuple(out / n for out, n in zip(sizes, shape, strict=True))
    elif scales_at is not None:
        scales = tuple(float(scale) for scale in lowering.constant(node, scales_at).reshape(-1))
        if len(scales) != 4 or not all(0.0 < scale < _MAX_SIDE for scale in scales):
            raise ModelError(f"{node}: scales {list(scales)} make no sense")
        sizes = tuple(int(n * scale) for n, scale in zip(shape, scales, strict=True))
    else:
        raise ModelError(f"{node}: neither scales nor sizes are given")
    if sizes[:2] != shape[:2]:
        raise UnsupportedOperatorError(
            f"{node}: scales batch or channels, {list(shape[:2])} to {list(sizes[:2])}; only height and width compile"
        )
    if not all(1 <= size <= _MAX_SIDE for size in sizes[2:]):
        raise ModelError(f"{node}: target size {list(sizes[2:])} makes no sense")
    return (sizes[2], sizes[3]), (scales[2], scales[3])


def _coordinates(node: OnnxNode, transform: str, size: int, outputs: int, scale: float) -> npt.NDArray[np.float64]:
    """Return where in the input each output pixel looks, by ONNX's formulas."""
    x = np.arange(outputs, dtype=np.float64)
    if transform == "align_corners":
        return x * (size - 1) / (outputs - 1) if outputs > 1 else np.zeros(1)
    if transform == "asymmetric":
        return x / scale
    if transform == "pytorch_half_pixel" and outputs == 1:
        return np.zeros(1)
    if transform in {"half_pixel", "pytorch_half_pixel"}:
        return (x + 0.5) / scale - 0.5
    if transform == "half_pixel_symmetric":
        adjusted = outputs / (scale * size)
        return size / 2 * (1 - adjusted) + (x + 0.5) / scale - 0.5
    raise UnsupportedOperatorError(f"{node}: coordinate_transformation_mode {transform!r} does not compile")


def _rounded(node: OnnxNode, mode: str, coordinates: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    rounded = {
        "round_prefer_floor": np.ceil(coordinates - 0.5),
        "round_prefer_ceil": np.floor(coordinates + 0.5),
        "floor": np.floor(coordinates),
        "ceil": np.ceil(coordinates),
    }.get(mode)
    if rounded is None:
        raise ModelError(f"{node}: nearest_mode {mode!r} is unknown")
    return rounded.astype(np.int64)


def _tflite_linear(size: int, outputs: int, *, align: bool, half: bool) -> npt.NDArray[np.float64]:
    x = np.arange(outputs, dtype=np.float64)
    if align:
        return x * (size - 1) / (outputs - 1) if outputs > 1 else np.zeros(1)
    step = size / outputs
    return np.clip((x + 0.5) * step - 0.5 if half else x * step, 0, size - 1)


def _tflite_nearest(size: int, outputs: int, *, align: bool, half: bool) -> npt.NDArray[np.int64]:
    x = np.arange(outputs, dtype=np.float64)
    step = (size - 1) / (outputs - 1) if align and outputs > 1 else size / outputs
    places = (x + (0.5 if half else 0.0)) * step
    return np.clip(np.floor(places + 0.5) if align else np.floor(places), 0, size - 1).astype(np.int64)
