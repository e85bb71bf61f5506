"""Comparison of a document with the types of a configuration; it names everything that does not fit.

The types are walked by hand and not by `msgspec.convert` alone, which stops at the first mistake and knows no lines.
It has the last word all the same: what comes out was converted by it.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import inspect

from mnv2_edge.config.document import INVALID, Invalid, YamlNode
from mnv2_edge.config.key_paths import describe_misfit, expected, found, join, line_of, nearest_key
from mnv2_edge.config.model import SINK_SETTINGS, Config
from mnv2_edge.config.problems import Mistakes, did_you_mean
from mnv2_edge.config.rules import Registered, find_violations, path_of

__all__ = ["check_document"]

_Plain: TypeAlias = object
"""What `msgspec.convert` takes; INVALID where there is a mistake."""


def check_document(root: YamlNode, registered: Registered, mistakes: Mistakes) -> Config:
    """Return the configuration that the document holds. Raises ConfigError with all mistakes if there is any."""
    walk = _Walk(registered, mistakes)
    plain = walk.value(root, inspect.type_info(Config), "")
    mistakes.raise_if_any()
    try:
        return msgspec.convert(plain, Config)
    except msgspec.ValidationError as exc:
        mistakes.add(root.line, "", str(exc))
        mistakes.raise_if_any()
        raise


class _Walk:
    """Walk through a document and a type side by side."""

    def __init__(self, registered: Registered, mistakes: Mistakes) -> None:
        self._registered = registered
        self._mistakes = mistakes
        self._readers: Mapping[type, Callable[[YamlNode, Any, str], _Plain]] = {
            inspect.StructType: self._struct,
            inspect.DictType: self._dict,
            inspect.ListType: self._list,
            inspect.VarTupleType: self._list,
            inspect.TupleType: self._list,
        }

    def value(self, node: YamlNode, kind: inspect.Type, path: str) -> _Plain:
        """Return what the node holds as plain data, without what is wrong in it."""
        if isinstance(node.value, Invalid):
            return INVALID
        while isinstance(kind, inspect.UnionType):  # the model's only unions are with None, which is looked at before
            kind = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
        inner = _inner(kind)
        read = self._readers.get(type(inner))
        return read(node, inner, path) if read else self._leaf(node, kind, path)

    def _struct(self, node: YamlNode, kind: inspect.StructType, path: str) -> _Plain:
        if not isinstance(node.value, dict):
            return self._wrong(node, kind, path)
        fields = {field.encode_name: field for field in kind.fields}
        plain: dict[str, _Plain] = {}
        for name, child in node.value.items():
            where = join(path, name)
            field = fields.get(name)
            if field is None:
                self._mistakes.add(child.key_line, where, f"is not a key{nearest_key(name, fields)}")
            elif child.value is not None or field.required:
                plain[name] = self._sinks(child) if where == "sinks" else self.value(child, field.type, where)
        for name, field in fields.items():
            if field.required and name not in node.value:
                self._mistakes.add(node.line, join(path, name), f"is missing, expected {expected(field.type)}")
        plain = {name: value for name, value in plain.items() if value is not INVALID}
        self._apply_rules(node, kind, plain, path)
        return plain

    def _apply_rules(self, node: YamlNode, kind: inspect.StructType, plain: dict[str, _Plain], path: str) -> None:
        """Apply what types cannot say, to what is left without the mistakes found so far."""
        if "version" in {field.encode_name for field in kind.fields}:
            plain = {**plain, "version": 1}
        if any(field.required and field.encode_name not in plain for field in kind.fields):
            return
        written = node.value if isinstance(node.value, dict) else {}
        for broken in find_violations(msgspec.convert(plain, kind.cls), self._registered):
            if broken.lacks not in written:  # else it is there, and wrong, and among the mistakes already
                self._mistakes.add(line_of(node, broken.place), path_of(path, broken.place), broken.message)

    def _sinks(self, node: YamlNode) -> _Plain:
        if isinstance(node.value, Invalid):
            return INVALID
        if not isinstance(node.value, list):
            return self._wrong(node, inspect.type_info(list), "sinks")
        return [self._sink(item, f"sinks[{index}]") for index, item in enumerate(node.value)]

    def _sink(self, node: YamlNode, path: str) -> _Plain:
        """Read ``name: {option: value}``, or the name alone, which is a sink with its defaults."""
        if isinstance(node.value, Invalid):
            return {}
        if isinstance(node.value, str):
            node = YamlNode({node.value: YamlNode({}, node.line, key_line=node.line)}, node.line)
        if not isinstance(node.value, dict) or len(node.value) != 1:
            self._mistakes.add(node.line, path, f"{found(node)}, expected one sink, as in `- stdout: {{format: text}}`")
            return {}
        ((name, options),) = node.value.items()
        where = f"{path}.{name}"
        if options.value is None:
            options = YamlNode({}, options.line, key_line=options.key_line)
        plain: _Plain = {}
        if name in SINK_SETTINGS:
            plain = self.value(options, inspect.type_info(SINK_SETTINGS[name]), where)
        elif name not in self._registered.sinks:
            known = sorted({*SINK_SETTINGS, *self._registered.sinks})
            hint = did_you_mean(name, known) or f", expected one of {', '.join(known)}"
            self._mistakes.add(options.key_line, where, f"is not an installed sink{hint}")
        elif isinstance(options.value, dict):
            plain = _as_it_is(options)  # what they mean is for the plug-in to say, but for this one, which we read
            secret = options.value.get("password_file")
            if secret is not None and secret.value is not None:
                self.value(secret, inspect.type_info(str), join(where, "password_file"))
        elif not isinstance(options.value, Invalid):
            self._wrong(options, inspect.type_info(dict), where)
        return {} if plain is INVALID else {name: plain}

    def _dict(self, node: YamlNode, kind: inspect.DictType, path: str) -> _Plain:
        if not isinstance(node.value, dict):
            return self._wrong(node, kind, path)
        items = {name: self.value(child, kind.value_type, join(path, name)) for name, child in node.value.items()}
        return {name: value for name, value in items.items() if value is not INVALID}

    def _list(
        self, node: YamlNode, kind: inspect.VarTupleType | inspect.ListType | inspect.TupleType, path: str
    ) -> _Plain:
        if not isinstance(node.value, list):
            return self._wrong(node, kind, path)
        if isinstance(kind, inspect.TupleType):
            kinds = kind.item_types
            if len(node.value) != len(kinds):
                self._mistakes.add(node.line, path, f"has {len(node.value)} entries, expected {expected(kind)}")
                return INVALID
        else:
            kinds = (kind.item_type,) * len(node.value)
            if len(node.value) < (kind.min_length or 0):
                self._mistakes.add(
                    node.line, path, f"has {len(node.value)} entries, expected at least {kind.min_length}"
                )
                return INVALID
        items = [
            self.value(child, each, f"{path}[{index}]")
            for index, (child, each) in enumerate(zip(node.value, kinds, strict=True))
        ]
        return INVALID if INVALID in items else items

    def _leaf(self, node: YamlNode, kind: inspect.Type, path: str) -> _Plain:
        inner = _inner(kind)
        value = node.value
        if isinstance(inner, inspect.StrType) and isinstance(value, (int, float)) and not isinstance(value, bool):
            value = node.text  # `uri: 0`, `name: 42`: text that YAML takes for a number
        if _fits(value, inner):
            return value
        return self._wrong(node, kind, path)

    def _wrong(self, node: YamlNode, kind: inspect.Type, path: str) -> Invalid:
        self._mistakes.add(node.line, path, describe_misfit(node, kind))
        return INVALID


def _inner(kind: inspect.Type) -> inspect.Type:
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _fits(value: object, kind: inspect.Type) -> bool:
    """Return True when a scalar is of the type and within its bounds."""
    if isinstance(kind, inspect.LiteralType):
        return any(type(value) is type(one) and value == one for one in kind.values)
    if isinstance(kind, inspect.BoolType):
        return isinstance(value, bool)
    if isinstance(kind, inspect.StrType):
        return isinstance(value, str) and (kind.pattern is None or re.search(kind.pattern, value) is not None)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return False
    if isinstance(kind, inspect.IntType) and not isinstance(value, int):
        return False
    if not isinstance(kind, (inspect.IntType, inspect.FloatType)):
        raise TypeError(f"the configuration has a type that is not known here: {kind}")
    return (
        (kind.ge is None or value >= kind.ge)
        and (kind.le is None or value <= kind.le)
        and (kind.gt is None or value > kind.gt)
        and (kind.lt is None or value < kind.lt)
    )


def _as_it_is(node: YamlNode) -> _Plain:
    if isinstance(node.value, dict):
        return {name: _as_it_is(child) for name, child in node.value.items()}
    if isinstance(node.value, list):
        return [_as_it_is(child) for child in node.value]
    return node.value
