"""Draw what a soak measured, as an SVG of a few kilobytes."""

from collections.abc import Sequence

from campaign.soak import Sample, Soaked

_WIDTH, _HEIGHT, _LEFT, _GAP = 900, 170, 70, 50
_POINTS = 600


def draw(soaked: Soaked) -> str:
    """Return three curves over minutes, one below the other: RSS, open files, threads."""
    panels = (
        ("RSS, MiB", [sample.rss_kib / 1024 for sample in soaked.samples], "#1f6fb2"),
        ("open files", [float(sample.fds) for sample in soaked.samples], "#b2571f"),
        ("threads", [float(sample.threads) for sample in soaked.samples], "#2a8a4a"),
    )
    parts = [_panel(place, *panel, soaked.samples) for place, panel in enumerate(panels)]
    height = len(panels) * (_HEIGHT + _GAP) + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="RSS, open files and threads over time" font-family="sans-serif" font-size="13">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _panel(place: int, name: str, values: Sequence[float], color: str, samples: Sequence[Sample]) -> str:
    top = 30 + place * (_HEIGHT + _GAP)
    low, high = min(values), max(values)
    low, high = (low - 1, high + 1) if high - low < 2 else (low - 0.05 * (high - low), high + 0.05 * (high - low))
    longest = max(samples[-1].seconds, 1.0)
    step = max(1, len(values) // _POINTS)
    points = " ".join(
        f"{_LEFT + (_WIDTH - _LEFT - 20) * sample.seconds / longest:.1f},"
        f"{top + _HEIGHT * (high - value) / (high - low):.1f}"
        for sample, value in list(zip(samples, values, strict=True))[::step]
    )
    ticks = "".join(
        f'<line x1="{_LEFT}" x2="{_WIDTH - 20}" y1="{y}" y2="{y}" stroke="#ddd"/>'
        f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{value:.1f}</text>'
        for value, y in ((high, top), ((high + low) / 2, top + _HEIGHT // 2), (low, top + _HEIGHT))
    )
    minutes = "".join(
        f'<text x="{_LEFT + (_WIDTH - _LEFT - 20) * part / 4:.0f}" y="{top + _HEIGHT + 18}" text-anchor="middle">'
        f"{longest / 60 * part / 4:.0f} min</text>"
        for part in range(5)
    )
    line = f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.5"/>'
    return f'<text x="{_LEFT}" y="{top - 10}" font-weight="bold">{name}</text>{ticks}{minutes}{line}'
