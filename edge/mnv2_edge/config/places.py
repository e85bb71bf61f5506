"""Find one's way in a configuration: paths of keys, their lines, and where a key that stands wrong belongs."""

from collections.abc import Collection, Mapping
from functools import lru_cache

from msgspec import inspect

from mnv2_edge.config.document import Node
from mnv2_edge.config.mistakes import did_you_mean
from mnv2_edge.config.model import SINK_SETTINGS, Config
from mnv2_edge.config.rules import Place

__all__ = ["all_paths", "join", "line_of", "nearest_key"]


def join(path: str, name: str) -> str:
    """Return the path of the key `name` below `path`."""
    return f"{path}.{name}" if path else name


def line_of(node: Node, place: Place) -> int:
    """Return the line of what lies at `place` below the node, or of the last on the way there that exists."""
    for step in place:
        below = _below(node, step)
        if below is None:
            break
        node = below
    return node.line


def _below(node: Node, step: str | int) -> Node | None:
    if isinstance(step, str):
        return node.value.get(step) if isinstance(node.value, dict) else None
    return node.value[step] if isinstance(node.value, list) and step < len(node.value) else None


def nearest_key(name: str, here: Collection[str]) -> str:
    """Say which key was probably meant: the same one in another place, else a similar one here, else any here."""
    elsewhere = all_paths().get(name, ())
    if elsewhere:
        return f", did you mean {' or '.join(elsewhere)}?"
    return did_you_mean(name, here) or f", expected one of {', '.join(here)}"


@lru_cache(maxsize=1)
def all_paths() -> Mapping[str, tuple[str, ...]]:
    """Return every key of a configuration with the paths at which it stands."""
    paths: dict[str, tuple[str, ...]] = {}

    def collect(kind: inspect.Type, path: str) -> None:
        if isinstance(kind, inspect.VarTupleType):
            collect(kind.item_type, f"{path}[]")
        elif isinstance(kind, inspect.StructType):
            for field in kind.fields:
                where = join(path, field.encode_name)
                paths[field.encode_name] = (*paths.get(field.encode_name, ()), where)
                collect(field.type, where)

    collect(inspect.type_info(Config), "")
    for name, settings in SINK_SETTINGS.items():
        collect(inspect.type_info(settings), f"sinks[].{name}")
    return paths
