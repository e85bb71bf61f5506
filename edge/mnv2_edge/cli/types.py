"""Parse what several commands take on the command line."""

from collections.abc import Callable
from typing import Any, TypeAlias

import click

__all__ = ["Triple", "TripleType", "preprocess_options"]

Triple: TypeAlias = tuple[float, float, float]
_Function: TypeAlias = Callable[..., Any]


class TripleType(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has no arguments for it yet
    """Three numbers, `R,G,B` on the scale of pixels (0 to 255), or one for all three."""

    name = "R,G,B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Triple:  # noqa: ANN401
        """Read the text, or say what was expected."""
        try:
            numbers = [float(part) for part in value.split(",")] if isinstance(value, str) else list(value)
        except ValueError:
            numbers = []
        if len(numbers) == 1:
            numbers *= 3
        if len(numbers) != 3:
            self.fail(
                f"{value!r} is not R,G,B: expected three numbers from 0 to 255, as in 127.5,127.5,127.5", param, ctx
            )
        return numbers[0], numbers[1], numbers[2]


def preprocess_options(function: _Function) -> _Function:
    """Add `--mean`, `--std`, `--color` and `--resize`."""
    options = (
        click.option("--mean", type=TripleType(), help="What is subtracted from pixels of 0 to 255, per channel."),
        click.option("--std", type=TripleType(), help="What they are then divided by."),
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
