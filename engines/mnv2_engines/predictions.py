"""What a network says about one frame: labels, boxes, or areas.

These are the values that records publish as they are, so nothing here needs numpy.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta

if TYPE_CHECKING:  # an array
    from mnv2_engines.tasks.class_map import ClassMap

__all__ = ["UNSEEN", "Box", "Detection", "Findings", "Mask", "Prediction", "Segment"]


UNSEEN: Final = 255
"""Stands for pixels without a class; VOC marks unlabelled pixels by it, too."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One label and how sure the network is of it."""

    class_id: Annotated[int, Meta(ge=0, description="Index in the network's output; a group has its lowest member's.")]
    label: str
    score: Annotated[float, Meta(ge=0, le=1, description="Probability; a group has the sum of its members'.")]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in a picture, by its upper left corner and its size.

    Coordinates are of pixel edges, as in `View.to_source`: a box over the whole of a picture has left and top 0 and the
    picture's width and height; as fractions those are 1. The picture is the camera's, turned upright (after `rotate`
    and `flip`) and whole, also when only a region of it is looked at.
    """

    left: float
    top: float
    width: Annotated[float, Meta(ge=0)]
    height: Annotated[float, Meta(ge=0)]

    @property
    def right(self) -> float:
        """Return where the box ends."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Return where the box ends."""
        return self.top + self.height


@dataclass(frozen=True, slots=True)
class Detection:
    """One thing and where it is."""

    class_id: Annotated[int, Meta(ge=0, description="Index in the network's output, a background class included.")]
    label: str
    score: Annotated[float, Meta(ge=0, le=1, description="How sure the network is of it.")]
    box_px: Annotated[Box, Meta(description="In pixels of the picture, whose `width` and `height` the record has.")]
    box_fraction: Annotated[Box, Meta(description="The same in fractions of the picture's width and height.")]


@dataclass(frozen=True, slots=True)
class Segment:
    """One class and its share of what the network saw."""

    class_id: Annotated[int, Meta(ge=0, description="Index in the network's output, a background class included.")]
    label: str
    share: Annotated[
        float, Meta(ge=0, le=1, description="Of the visible part of the picture: no cut edges, no letterbox bars.")
    ]


@dataclass(frozen=True, slots=True)
class Mask:
    """The class of every pixel, row by row, in one of two forms; the other one is empty.

    Values are class ids; 255 is what the network has not seen.
    """

    width: Annotated[int, Meta(ge=1, description="Of the mask, in its own pixels.")]
    height: Annotated[int, Meta(ge=1, description="Of the mask, in its own pixels.")]
    box_px: Annotated[Box, Meta(description="The part of the picture that the mask covers.")]
    runs: Annotated[
        tuple[int, ...],
        Meta(description="Class id and number of pixels in turn: 0, 90, 15, 7 is 90 of 0, then 7 of 15."),
    ] = ()
    png: Annotated[str, Meta(description="A PNG file with a palette whose indices are class ids, base64.")] = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that a task read from one frame; the fields that a task does not fill stay empty.

    A background class is in none of them: it is the absence of what the network knows.
    """

    predictions: tuple[Prediction, ...] = ()
    """What the picture shows as a whole, best first."""
    detections: tuple[Detection, ...] = ()
    """Things and where they are, best first."""
    segments: tuple[Segment, ...] = ()
    """Classes and how much of the picture they have, largest first."""
    mask: Mask | None = None
    """For records, when it was asked for."""
    class_map: "ClassMap | None" = field(default=None, compare=False)
    """The class of every pixel, for drawing and measuring; never published."""

    @property
    def summary(self) -> str:
        """Return in a few words what there is, without scores: it changes when that changes, not with every frame.

        The best label (`cat`), how many there are of what (`2 person, 1 bus`), which classes have an area (`bird,
        person`); empty when there is nothing. Counts and areas are in the order of class ids.
        """
        return "; ".join(part for part in self._parts() if part)

    def _parts(self) -> Iterator[str]:
        if self.predictions:
            yield self.predictions[0].label
        counts = Counter((found.class_id, found.label) for found in self.detections)
        yield ", ".join(f"{count} {label}" for (_, label), count in sorted(counts.items()))
        yield ", ".join(segment.label for segment in sorted(self.segments, key=lambda segment: segment.class_id))
