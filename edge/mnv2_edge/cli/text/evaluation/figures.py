"""Format of figures and networks in the text of evaluations."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from mnv2_engines.evaluation.result import EvaluatedEngine, UnreadablePicture

__all__ = ["align", "describe_engine", "describe_unreadable", "engine_json", "percent", "pictures_json"]

_NAMED: Final = 5


def align(rows: Sequence[tuple[str, str]]) -> str:
    """Return a line a row: what it is, and its value."""
    return "\n".join(f"{name:<12}{value}" for name, value in rows)


def percent(value: float | None) -> str:
    """Return a share in percent; - for none."""
    return "-" if value is None else f"{100 * value:.1f} %"


def describe_engine(judged: EvaluatedEngine) -> str:
    """Return what was evaluated, and with which preprocessing."""
    return f"{judged.name}, {judged.runtime}, {judged.preprocess.resize}"


def describe_unreadable(unreadable: Sequence[UnreadablePicture]) -> list[str]:
    """Return how many pictures could not be evaluated, and why, up to a few; nothing when all were."""
    if not unreadable:
        return []
    more = ["  ..."] if len(unreadable) > _NAMED else []
    return [f"left out: {len(unreadable)}", *(f"  {one.reason}" for one in unreadable[:_NAMED]), *more]


def engine_json(judged: EvaluatedEngine) -> dict[str, object]:
    """Return name, runtime and preprocess."""
    preprocess = judged.preprocess
    return {
        "name": judged.name,
        "runtime": judged.runtime,
        "preprocess": {
            "color": preprocess.color,
            "mean": list(preprocess.mean),
            "std": list(preprocess.std),
            "resize": str(preprocess.resize),
        },
    }


def pictures_json(found: int, judged: int, unreadable: Sequence[UnreadablePicture]) -> dict[str, object]:
    """Return how many pictures there were and what became of them."""
    return {"found": found, "judged": judged, "unreadable": [asdict(one) for one in unreadable]}
