"""The twelve road signs of the demo: their names, shapes and colours.

The order is the class order of the demo network: changing it means training again. No sign turns into another one
under the rotations and perspectives that `mnv2_edge.demo.imaging` draws; mirrored, left and right do change places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from mnv2_edge.demo.shapes import Polygon, disc, polygon, rectangle, regular_polygon, stroke, text, turned

Rgb = tuple[int, int, int]

RED: Rgb = (200, 28, 36)
BLUE: Rgb = (20, 82, 178)
YELLOW: Rgb = (248, 192, 20)
WHITE: Rgb = (244, 244, 240)
BLACK: Rgb = (22, 22, 24)


@dataclass(frozen=True, slots=True)
class Patch:
    """One filled polygon of a sign."""

    colour: Rgb
    outline: Polygon


def _patches(colour: Rgb, shapes: Iterable[Polygon]) -> tuple[Patch, ...]:
    return tuple(Patch(colour, shape) for shape in shapes)


def _stop() -> tuple[Patch, ...]:
    return (
        *_patches(WHITE, [regular_polygon(8, 1.0, 22.5)]),
        *_patches(RED, [regular_polygon(8, 0.92, 22.5)]),
        *_patches(WHITE, text("STOP", -0.7, -0.3, 0.7, 0.3, 0.09)),
    )


def _yield() -> tuple[Patch, ...]:
    return (
        *_patches(RED, [regular_polygon(3, 1.0, 180.0)]),
        *_patches(WHITE, [regular_polygon(3, 0.58, 180.0)]),
    )


def _no_entry() -> tuple[Patch, ...]:
    return (
        *_patches(WHITE, [disc(1.0)]),
        *_patches(RED, [disc(0.94)]),
        *_patches(WHITE, [rectangle(-0.72, -0.18, 0.72, 0.18)]),
    )


def _warning() -> tuple[Patch, ...]:
    return (
        *_patches(BLACK, [regular_polygon(3, 1.0)]),
        *_patches(YELLOW, [regular_polygon(3, 0.78)]),
        *_patches(BLACK, [polygon((-0.1, -0.42), (0.1, -0.42), (0.06, 0.12), (-0.06, 0.12)), disc(0.09, (0.0, 0.25))]),
    )


def _arrow(turn_deg: float) -> tuple[Patch, ...]:
    arrow_up = [rectangle(-0.14, -0.3, 0.14, 0.68), polygon((0.0, -0.74), (0.52, -0.16), (-0.52, -0.16))]
    return (
        *_patches(WHITE, [disc(1.0)]),
        *_patches(BLUE, [disc(0.94)]),
        *_patches(WHITE, turned(arrow_up, turn_deg)),
    )


def _no_stopping() -> tuple[Patch, ...]:
    bar = rectangle(-0.11, -0.84, 0.11, 0.84)
    return (
        *_patches(RED, [disc(1.0)]),
        *_patches(BLUE, [disc(0.8)]),
        *_patches(RED, [*turned([bar], 45.0), *turned([bar], -45.0)]),
    )


def _parking() -> tuple[Patch, ...]:
    return (
        *_patches(WHITE, [rectangle(-0.7, -0.7, 0.7, 0.7)]),
        *_patches(BLUE, [rectangle(-0.63, -0.63, 0.63, 0.63)]),
        *_patches(WHITE, text("P", -0.3, -0.48, 0.36, 0.5, 0.19)),
    )


def _pedestrian_crossing() -> tuple[Patch, ...]:
    walker = [
        disc(0.09, (0.02, -0.27)),
        *stroke([(0.0, -0.13), (-0.02, 0.1)], 0.14),
        *stroke([(-0.02, 0.1), (0.08, 0.25), (0.1, 0.42)], 0.08),
        *stroke([(-0.02, 0.1), (-0.1, 0.26), (-0.2, 0.42)], 0.08),
        *stroke([(0.0, -0.12), (0.14, 0.0), (0.2, 0.08)], 0.06),
        *stroke([(0.0, -0.12), (-0.12, 0.0), (-0.17, 0.08)], 0.06),
    ]
    return (
        *_patches(WHITE, [rectangle(-0.7, -0.7, 0.7, 0.7)]),
        *_patches(BLUE, [rectangle(-0.64, -0.64, 0.64, 0.64)]),
        *_patches(WHITE, [polygon((0.0, -0.58), (0.6, 0.5), (-0.6, 0.5))]),
        *_patches(BLACK, walker),
    )


def _speed_limit_30() -> tuple[Patch, ...]:
    return (
        *_patches(RED, [disc(1.0)]),
        *_patches(WHITE, [disc(0.76)]),
        *_patches(BLACK, text("30", -0.55, -0.38, 0.55, 0.38, 0.15)),
    )


def _priority_road() -> tuple[Patch, ...]:
    return (
        *_patches(BLACK, [regular_polygon(4, 1.0)]),
        *_patches(WHITE, [regular_polygon(4, 0.95)]),
        *_patches(YELLOW, [regular_polygon(4, 0.64)]),
    )


_SIGNS: dict[str, Callable[[], tuple[Patch, ...]]] = {
    "stop": _stop,
    "yield": _yield,
    "no entry": _no_entry,
    "warning": _warning,
    "turn left": lambda: _arrow(-90.0),
    "turn right": lambda: _arrow(90.0),
    "ahead only": lambda: _arrow(0.0),
    "no stopping": _no_stopping,
    "parking": _parking,
    "pedestrian crossing": _pedestrian_crossing,
    "speed limit 30": _speed_limit_30,
    "priority road": _priority_road,
}

SIGN_NAMES: tuple[str, ...] = tuple(_SIGNS)
"""Labels in class order, as in the demo engine's label file."""


@cache
def sign_patches(class_id: int) -> tuple[Patch, ...]:
    """Return the patches of a sign from back to front; the first one is its outline."""
    return _SIGNS[SIGN_NAMES[class_id]]()
