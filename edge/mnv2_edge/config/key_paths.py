"""Configuration keys in words: paths, lines, types, and likely places of a misplaced key."""

import math
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any

from msgspec import inspect

from mnv2_edge.config.document import YamlNode
from mnv2_edge.config.model import SINK_SETTINGS, Config
from mnv2_edge.config.problems import did_you_mean
from mnv2_edge.config.rules import Place

__all__ = ["all_paths", "describe_misfit", "expected", "found", "join", "line_of", "nearest_key"]


def join(path: str, name: str) -> str:
    """Return the path of the key `name` below `path`."""
    return f"{path}.{name}" if path else name


def line_of(node: YamlNode, place: Place) -> int:
    """Return the line of what lies at `place` below the node, or of the last on the way there that exists."""
    for step in place:
        below = _below(node, step)
        if below is None:
            break
        node = below
    return node.line


def _below(node: YamlNode, step: str | int) -> YamlNode | None:
    if isinstance(step, str):
        return node.value.get(step) if isinstance(node.value, dict) else None
    return node.value[step] if isinstance(node.value, list) and step < len(node.value) else None


def nearest_key(name: str, here: Collection[str]) -> str:
    """Return which key was probably meant: the same one in another place, else a similar one here, else any here."""
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


def describe_misfit(node: YamlNode, kind: inspect.Type) -> str:
    """Return what stands there, what was expected, and what was probably meant."""
    return f"{found(node)}, expected {expected(kind)}{_hint(node, kind)}"


def expected(kind: inspect.Type) -> str:
    """Return what a value of this type looks like, as it follows "expected"."""
    return _WORDS.get(type(kind), _mapping)(kind)


def found(node: YamlNode) -> str:
    """Return what stands there instead."""
    value = node.value
    if value is None:
        return "is empty"
    if isinstance(value, bool):
        return f"{node.text} (a truth value in YAML)"
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, (int, float)):
        return node.text
    return "a list" if isinstance(value, list) else "a mapping"


def _hint(node: YamlNode, kind: inspect.Type) -> str:
    if isinstance(kind, inspect.UnionType):
        return "".join(_hint(node, one) for one in kind.types)
    inner = kind.type if isinstance(kind, inspect.Metadata) else kind
    if isinstance(inner, inspect.StrType) and isinstance(node.value, bool):
        return ", put it in quotes"
    if isinstance(inner, inspect.LiteralType) and isinstance(node.value, str):
        return did_you_mean(node.value, [str(one) for one in inner.values])
    if isinstance(inner, (inspect.IntType, inspect.FloatType)) and isinstance(node.value, str):
        return _number_hint(node.value)
    return ""


def _number_hint(text: str) -> str:
    """Help with a number in quotes, and with ``1e-3``, which YAML 1.1 takes for text."""
    try:
        number = float(text)
    except ValueError:
        return ""
    return f", did you mean {number:g}?" if math.isfinite(number) else ""


def _mapping(_kind: inspect.Type) -> str:
    return "a mapping, a line with `name: value` for each"


def _metadata(kind: inspect.Metadata) -> str:
    return str((kind.extra_json_schema or {}).get("description") or expected(kind.type))


def _union(kind: inspect.UnionType) -> str:
    return " or ".join(expected(member) for member in kind.types if not isinstance(member, inspect.NoneType))


def _literal(kind: inspect.LiteralType) -> str:
    values = ", ".join(str(value) for value in kind.values)
    return values if len(kind.values) == 1 else f"one of {values}"


def _tuple(kind: inspect.TupleType) -> str:
    count = len(kind.item_types)
    return f"{count} numbers, as in [{', '.join(str(number) for number in range(1, count + 1))}]"


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    if kind.ge is not None and kind.le is not None:
        return f" from {kind.ge:g} to {kind.le:g}"
    bounds = (("of at least", kind.ge), ("above", kind.gt), ("of at most", kind.le), ("below", kind.lt))
    return " and".join(f" {word} {bound:g}" for word, bound in bounds if bound is not None)


_WORDS: Mapping[type, Callable[[Any], str]] = {
    inspect.Metadata: _metadata,
    inspect.UnionType: _union,
    inspect.LiteralType: _literal,
    inspect.IntType: lambda kind: f"a whole number{_bounds(kind)}",
    inspect.FloatType: lambda kind: f"a number{_bounds(kind)}",
    inspect.StrType: lambda kind: f"text that matches {kind.pattern}" if kind.pattern else "text",
    inspect.BoolType: lambda _: "true or false",
    inspect.TupleType: _tuple,
    inspect.ListType: lambda _: "a list, a line with `- ` for each",
    inspect.VarTupleType: lambda _: "a list, a line with `- ` for each",
    inspect.StructType: lambda kind: f"a mapping with {', '.join(field.encode_name for field in kind.fields)}",
}
