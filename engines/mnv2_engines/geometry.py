"""Work out which part of a frame the network sees, and map its pixels back."""

from dataclasses import dataclass

from mnv2_engines.preprocess import ResizePolicy

__all__ = ["View", "plan_view"]


@dataclass(frozen=True, slots=True)
class View:
    """Relate a network picture to the frame that it was made of; all in pixels.

    The frame's rectangle (left, top, width, height) is resized onto the network's rectangle (net_left, net_top,
    net_width, net_height); what lies outside of that in the network's picture is padding.
    """

    left: int
    top: int
    width: int
    height: int
    net_left: int
    net_top: int
    net_width: int
    net_height: int

    def to_source(self, x: float, y: float) -> tuple[float, float]:
        """Map a point of the network's picture to the frame. Points on the padding land outside of the frame."""
        return (
            self.left + (x - self.net_left) * self.width / self.net_width,
            self.top + (y - self.net_top) * self.height / self.net_height,
        )


def plan_view(height: int, width: int, net_height: int, net_width: int, policy: ResizePolicy) -> View:
    """Choose the view of a frame of height x width for a network of net_height x net_width.

    `center-crop` takes the largest centred rectangle of the network's proportions, times the fraction; offsets and
    letterbox sizes are rounded as Python's `round` does (half to even), which is what torchvision's CenterCrop does.
    """
    if policy.kind == "stretch":
        return View(0, 0, width, height, 0, 0, net_width, net_height)
    if policy.kind == "letterbox":
        scale = min(net_width / width, net_height / height)
        fit_w = max(1, min(net_width, round(width * scale)))
        fit_h = max(1, min(net_height, round(height * scale)))
        return View(
            0, 0, width, height, round((net_width - fit_w) / 2.0), round((net_height - fit_h) / 2.0), fit_w, fit_h
        )
    side = min(width / net_width, height / net_height) * policy.fraction
    crop_w = max(1, min(width, round(net_width * side)))
    crop_h = max(1, min(height, round(net_height * side)))
    return View(
        round((width - crop_w) / 2.0), round((height - crop_h) / 2.0), crop_w, crop_h, 0, 0, net_width, net_height
    )
