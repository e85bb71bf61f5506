"""Command line parameters that several commands share."""

from collections.abc import Callable
from typing import Any, TypeAlias

import click

from mnv2_edge.sources.decoding.limits import DEFAULT_MEGAPIXELS, MOST_MEGAPIXELS

__all__ = ["Triple", "max_megapixels_option", "parse_triple", "preprocess_options"]

Triple: TypeAlias = tuple[float, float, float]
_Function: TypeAlias = Callable[..., Any]

max_megapixels_option = click.option(
    "--max-megapixels",
    type=click.FloatRange(1, MOST_MEGAPIXELS),
    default=DEFAULT_MEGAPIXELS,
    metavar="N",
    help=f"Skip pictures of more million pixels. [default: {DEFAULT_MEGAPIXELS:g}]",
)


def parse_triple(text: str) -> Triple:
    """Read `R,G,B`, or one number for all three. Raises click.BadParameter that says what was expected."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3:
        raise click.BadParameter(f"{text!r} is not R,G,B: expected three numbers, as in 127.5,127.5,127.5")
    return numbers[0], numbers[1], numbers[2]


def preprocess_options(function: _Function) -> _Function:
    """Add `--mean`, `--std`, `--color` and `--resize`."""
    options = (
        click.option(
            "--mean",
            type=parse_triple,
            metavar="R,G,B",
            help="Subtracted from pixels of 0 to 255.",
        ),
        click.option("--std", type=parse_triple, metavar="R,G,B", help="Divisor after that."),
        click.option("--color", type=click.Choice(["RGB", "BGR"]), help="Channel order that the network wants."),
        click.option(
            "--resize",
            metavar="POLICY",
            help="stretch, center-crop[:FRACTION] or letterbox: how a frame is fitted to the network.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function
