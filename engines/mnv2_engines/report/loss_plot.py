"""The loss of each layer as an SVG."""

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from mnv2_engines.engine.facts import LayerFacts

__all__ = ["draw_layers"]

_WIDTH: Final = 960
_HEIGHT: Final = 320
_LEFT: Final = 48
_BOTTOM: Final = 28
_TOP: Final = 12
_GRID_DB: Final = 10
_NAMED: Final = 3
_HUES: Final = (210, 28, 130, 280, 350, 170, 60)


def draw_layers(layers: Sequence[LayerFacts]) -> str:
    """Return a plot of SQNR over the layers in the network's order, one colour an operator, the worst three named.

    A layer without loss stands at the top.
    """
    levels = [layer.sqnr_db for layer in layers if layer.sqnr_db is not None]
    floor = _GRID_DB * math.floor(min(0.0, *levels) / _GRID_DB) if levels else 0
    ceiling = _GRID_DB * math.ceil(max([*levels, _GRID_DB]) / _GRID_DB)
    operators = list(dict.fromkeys(layer.operator for layer in layers))
    step = (_WIDTH - _LEFT) / max(1, len(layers))

    def height(level: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (ceiling - level) / (ceiling - floor)

    parts = [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH}" y1="{height(level):.1f}" y2="{height(level):.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{height(level) + 4:.1f}" text-anchor="end">{level}</text>'
        for level in range(floor, ceiling + 1, _GRID_DB)
    ]
    parts.append(f'<text x="{_LEFT - 6}" y="{_HEIGHT - 6}" text-anchor="end">dB</text>')
    lossy = [index for index, layer in enumerate(layers) if layer.sqnr_db is not None]
    named = sorted(lossy, key=lambda index: layers[index].sqnr_db or 0.0)[:_NAMED]
    for index, layer in enumerate(layers):
        level = ceiling if layer.sqnr_db is None else max(floor, layer.sqnr_db)
        x, y = _LEFT + (index + 0.5) * step, height(level)
        hue = _HUES[operators.index(layer.operator) % len(_HUES)]
        told = "no loss" if layer.sqnr_db is None else f"{layer.sqnr_db:.1f} dB"
        parts.append(
            f"<g><title>{index}: {escape(layer.name)}, {escape(layer.operator)}, {told}</title>"
            f'<line class="stem" x1="{x:.1f}" x2="{x:.1f}" y1="{height(floor):.1f}" y2="{y:.1f}"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="hsl({hue} 70% 45%)"/></g>'
        )
        if index in named:
            anchor = "end" if x > _WIDTH / 2 else "start"
            parts.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="{anchor}">{escape(layer.name)}</text>')
    legend = "".join(
        f'<li><i style="background:hsl({_HUES[place % len(_HUES)]} 70% 45%)"></i>{escape(operator)}</li>'
        for place, operator in enumerate(operators)
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="SQNR per layer">{"".join(parts)}</svg>'
        f'<ul class="legend">{legend}</ul>'
    )
