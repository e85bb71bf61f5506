"""The resize of a frame's pixels to the network's size."""

from dataclasses import replace

import numpy as np

from mnv2_engines.errors import ContractError
from mnv2_engines.preprocessing.geometry import View, plan_view
from mnv2_engines.preprocessing.preprocess import ResizePolicy, ResizeQuality
from mnv2_engines.tensors import UInt8Array

__all__ = ["PictureFitter"]


class PictureFitter:
    """Crop and resize of frames of any size into one picture that it owns. Used by one thread.

    `fast` samples bilinearly, which skips pixels when a frame is more than twice the network's size. `antialias` first
    halves by exact 2 x 2 means until it is not, which OpenCV does with vector instructions: a seventh of the time of
    `cv2.INTER_AREA` (benchmarks/preprocess.py has the figures, and what each costs in accuracy). Halving drops odd
    lines, so its crop may be a few pixels smaller than `plan_view`'s, never more than one pixel of the network's
    picture; the view that `fit` returns is exact.
    """

    def __init__(
        self, height: int, width: int, policy: ResizePolicy, quality: ResizeQuality, padding: tuple[int, int, int]
    ) -> None:
        """Allocate the picture; `padding` is the colour of a letterbox's bars, in the frames' channel order."""
        self._policy = policy
        self._antialias = quality == "antialias"
        self._padding = padding
        self._picture: UInt8Array = np.full((height, width, 3), padding, np.uint8)
        self._target = self._picture
        self._halves: list[UInt8Array] = []
        self._view = View(0, 0, 0, 0, 0, 0, width, height, 0, 0)
        self._planned_for: tuple[int, ...] = ()

    def fit(self, pixels: UInt8Array) -> tuple[UInt8Array, View]:
        """Return the network's picture of a frame, height x width x 3 in the frame's channel order, and its view.

        The picture is overwritten by the next call. Raises ContractError when the frame is not an H x W x 3 array of
        uint8.
        """
        import cv2

        if pixels.shape != self._planned_for or pixels.dtype != np.uint8:
            self._plan(pixels)
        view = self._view
        source = pixels[view.top : view.top + view.height, view.left : view.left + view.width]
        for half in self._halves:
            cv2.resize(source, (half.shape[1], half.shape[0]), dst=half, interpolation=cv2.INTER_AREA)
            source = half
        cv2.resize(source, (view.net_width, view.net_height), dst=self._target, interpolation=cv2.INTER_LINEAR)
        return self._picture, view

    def _plan(self, pixels: UInt8Array) -> None:
        """Work out the view and allocate the levels for frames of this size."""
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
            raise ContractError(
                f"a frame is {pixels.dtype} of shape {list(pixels.shape)}: height x width x 3 of uint8 was expected; "
                "the source that made it is at fault"
            )
        height, width = self._picture.shape[:2]
        view = plan_view(pixels.shape[0], pixels.shape[1], height, width, self._policy)
        count = 0
        if self._antialias:
            while min(view.width / view.net_width, view.height / view.net_height) >= 2 << count:
                count += 1
        view = _trim(view, 1 << count)
        self._halves = [np.empty((view.height >> n, view.width >> n, 3), np.uint8) for n in range(1, count + 1)]
        self._picture[:] = self._padding
        self._target = self._picture[
            view.net_top : view.net_top + view.net_height, view.net_left : view.net_left + view.net_width
        ]
        self._view = view
        self._planned_for = pixels.shape


def _trim(view: View, multiple: int) -> View:
    """Shrink the view about its centre to a width and height that halving never leaves odd."""
    width, height = view.width // multiple * multiple, view.height // multiple * multiple
    return replace(
        view,
        left=view.left + (view.width - width) // 2,
        top=view.top + (view.height - height) // 2,
        width=width,
        height=height,
    )
