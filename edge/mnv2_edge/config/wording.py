"""Put types and values of a configuration into words."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import inspect

from mnv2_edge.config.document import Node
from mnv2_edge.config.mistakes import did_you_mean

__all__ = ["describe_misfit", "expected", "found"]


def describe_misfit(node: Node, kind: inspect.Type) -> str:
    """Say what stands there, what was expected, and what was probably meant."""
    return f"{found(node)}, expected {expected(kind)}{_hint(node, kind)}"


def expected(kind: inspect.Type) -> str:
    """Say what a value of this type looks like, as it follows "expected"."""
    return _WORDS.get(type(kind), _mapping)(kind)


def found(node: Node) -> str:
    """Say what stands there instead."""
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


def _hint(node: Node, kind: inspect.Type) -> str:
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
