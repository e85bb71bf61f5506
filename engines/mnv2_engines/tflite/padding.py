"""ONNX padding as TFLite's SAME or VALID, with an explicit PAD in front where neither is the same."""

from dataclasses import dataclass
from typing import TypeAlias

from mnv2_engines.errors import ModelError
from mnv2_engines.tflite.importer.onnx_model import OnnxNode

__all__ = ["Pads", "Window", "read_window", "window_size"]

Pads: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
"""(top, bottom), (left, right)."""

_MAX_EXTENT = 1 << 16
"""Strides, dilations, kernels and pads above this come from damaged files."""


@dataclass(frozen=True, slots=True)
class Window:
    """A kernel that slides over a picture the way TFLite does."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pads: Pads
    """All padding that any window touches, in front of SAME or VALID."""
    same: bool
    """True when TFLite's own SAME padding equals `pads`; then no PAD operator is needed."""

    @property
    def explicit(self) -> Pads | None:
        """Return what a PAD operator must add, None for nothing."""
        return None if self.same or self.pads == ((0, 0), (0, 0)) else self.pads


def read_window(node: OnnxNode, size: tuple[int, int], kernel: tuple[int, int]) -> Window:
    """Read strides, dilations, pads, auto_pad and ceil_mode of a Conv or pooling node over a picture of `size`.

    Raises ModelError for values that make no sense or leave no output.
    """
    stride = node.integers("strides", (1, 1), length=2)
    dilation = node.integers("dilations", (1, 1), length=2)
    if min(*stride, *dilation, *kernel) < 1 or max(*stride, *dilation, *kernel) > _MAX_EXTENT:
        raise ModelError(
            f"{node}: kernel {list(kernel)}, strides {list(stride)}, dilations {list(dilation)} make no sense"
        )
    ceil_mode = node.integer("ceil_mode", 0) != 0
    begin, end = _declared_pads(node, size, kernel, stride, dilation)
    pads: list[tuple[int, int]] = []
    same = True
    for axis in (0, 1):
        extent = (kernel[axis] - 1) * dilation[axis] + 1
        outputs = _output_count(size[axis], extent, stride[axis], begin[axis], end[axis], ceil_mode=ceil_mode)
        if outputs < 1:
            raise ModelError(f"{node}: kernel {list(kernel)} does not fit a picture of {size[0]}x{size[1]}")
        needed = (outputs - 1) * stride[axis] + extent
        # Padding behind the last window is dropped: it changes nothing and would force a PAD.
        pads.append((begin[axis], max(0, needed - size[axis] - begin[axis])))
        same &= pads[axis] == same_padding(size[axis], extent, stride[axis]) and outputs == -(
            -size[axis] // stride[axis]
        )
    resolved = (pads[0], pads[1])
    return Window(
        kernel, (stride[0], stride[1]), (dilation[0], dilation[1]), resolved, same=same and resolved != ((0, 0), (0, 0))
    )


def window_size(size: int, kernel: int, stride: int, dilation: int, *, same: bool) -> int:
    """Count TFLite's outputs along one axis.

    Raises ValueError when there is none.
    """
    outputs = -(-size // stride) if same else (size - (kernel - 1) * dilation - 1) // stride + 1
    if outputs < 1:
        raise ValueError(f"a kernel of {kernel} does not fit into {size}")
    return outputs


def same_padding(size: int, extent: int, stride: int) -> tuple[int, int]:
    """Return TFLite's SAME padding: as little as gives ceil(size / stride) outputs, the odd one behind."""
    total = max(0, (-(-size // stride) - 1) * stride + extent - size)
    return total // 2, total - total // 2


def _declared_pads(
    node: OnnxNode, size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the pads in front and behind, (height, width) each."""
    auto = node.text("auto_pad", "NOTSET")
    if auto == "VALID":
        return (0, 0), (0, 0)
    if auto in {"SAME_UPPER", "SAME_LOWER"}:
        pairs = [same_padding(size[axis], (kernel[axis] - 1) * dilation[axis] + 1, stride[axis]) for axis in (0, 1)]
        if auto == "SAME_LOWER":
            pairs = [(behind, front) for front, behind in pairs]
        return (pairs[0][0], pairs[1][0]), (pairs[0][1], pairs[1][1])
    if auto != "NOTSET":
        raise ModelError(f"{node}: auto_pad {auto!r} is unknown")
    pads = node.integers("pads", (0, 0, 0, 0), length=4)
    if min(pads) < 0 or max(pads) > _MAX_EXTENT:
        raise ModelError(f"{node}: pads {list(pads)} make no sense")
    return (pads[0], pads[1]), (pads[2], pads[3])


def _output_count(size: int, extent: int, stride: int, begin: int, end: int, *, ceil_mode: bool) -> int:
    room = size + begin + end - extent
    if room < 0:
        return 0
    if not ceil_mode:
        return room // stride + 1
    outputs = -(-room // stride) + 1
    # ONNX drops a window that would start in the padding behind the picture.
    return outputs if (outputs - 1) * stride < size + begin else outputs - 1
