"""The part of a frame that the network sees, and the way of its pixels back."""

from dataclasses import dataclass, replace

from mnv2_engines.preprocessing.preprocess import ResizePolicy

__all__ = ["View", "plan_view"]


@dataclass(frozen=True, slots=True)
class View:
    """Relation of a network picture to the picture that it was made of, the source; all in pixels.

    The source's rectangle (left, top, width, height) is resized onto the network's rectangle (net_left, net_top,
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
    source_width: int
    """Of the whole source, which may be larger than the rectangle."""
    source_height: int

    def to_source(self, x: float, y: float) -> tuple[float, float]:
        """Map a point of the network's picture to the source.

        Coordinates are of pixel edges: (0, 0) is the outer corner of the first pixel, (width, height) that of the last.
        Points on the padding land outside of the rectangle.
        """
        return (
            self.left + (x - self.net_left) * self.width / self.net_width,
            self.top + (y - self.net_top) * self.height / self.net_height,
        )

    def in_picture(self, left: int, top: int, width: int, height: int) -> "View":
        """Return the view of a picture of width x height from which this one's source was cut at (left, top)."""
        return replace(self, left=self.left + left, top=self.top + top, source_width=width, source_height=height)


def plan_view(height: int, width: int, net_height: int, net_width: int, policy: ResizePolicy) -> View:
    """Choose the view of a frame of height x width for a network of net_height x net_width.

    `center-crop` takes the largest centred rectangle of the network's proportions, times the fraction; sizes and
    offsets are rounded as Python's `round` does (half to even), which is what torchvision's CenterCrop does.
    """
    if policy.kind == "stretch":
        return View(0, 0, width, height, 0, 0, net_width, net_height, width, height)
    if policy.kind == "letterbox":
        fit_w, fit_h = _largest_inside(net_width, net_height, width, height, 1.0)
        bars_left, bars_top = _centred(net_width, fit_w), _centred(net_height, fit_h)
        return View(0, 0, width, height, bars_left, bars_top, fit_w, fit_h, width, height)
    crop_w, crop_h = _largest_inside(width, height, net_width, net_height, policy.fraction)
    left, top = _centred(width, crop_w), _centred(height, crop_h)
    return View(left, top, crop_w, crop_h, 0, 0, net_width, net_height, width, height)


def _largest_inside(width: int, height: int, shape_w: int, shape_h: int, fraction: float) -> tuple[int, int]:
    """Return width and height of the largest rectangle shaped shape_w : shape_h within width x height, times fraction.

    Never empty. The side that touches is exact, not a product of rounded ratios.
    """
    if width * shape_h <= height * shape_w:
        full_w, full_h = float(width), width * shape_h / shape_w
    else:
        full_w, full_h = height * shape_w / shape_h, float(height)
    return max(1, min(width, round(full_w * fraction))), max(1, min(height, round(full_h * fraction)))


def _centred(outer: int, inner: int) -> int:
    return round((outer - inner) / 2.0)
