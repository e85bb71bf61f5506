"""Flags of `build-engine` for the options of every installed format's builder: written once, where they are typed."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click
import msgspec
from msgspec import inspect

from mnv2_edge.errors import UsageError
from mnv2_engines.backends.format import EngineFormat
from mnv2_engines.backends.registry import find_format, formats, require_building

__all__ = ["builder_options", "read_builder_options"]


def builder_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give `command` a flag for each option of a builder, None where it is not given."""
    for name, takers in reversed(_options().items()):
        kind, attributes = _type(takers[0][1].type)
        described = "; ".join(f"{form.title}: {_describe(field)}" for form, field in takers)
        command = click.option(_flag(name), name, type=kind, help=described, **attributes)(command)
    return command


def read_builder_options(target: str, given: Mapping[str, object]) -> msgspec.Struct:
    """Return what was given as the options of the target's builder; `given` holds every flag of `builder_options`.

    Raises UsageError for one that the target does not have, and for a value that it does not take.
    """
    options = require_building(target).options
    own = {field.name for field in msgspec.structs.fields(options)}
    stated = {name: given[name] for name in _options() if given.get(name) is not None}
    for name in stated.keys() - own:
        owner = _options()[name][0][0]
        raise UsageError(
            f"{_flag(name)} is {owner.title}'s, and this builds for {find_format(target).title}: leave it out"
        )
    try:
        return msgspec.convert(stated, options)
    except msgspec.ValidationError as exc:
        raise UsageError(f"{', '.join(_flag(name) for name in stated)}: {exc}") from exc


def _options() -> dict[str, list[tuple[EngineFormat, inspect.Field]]]:
    found: dict[str, list[tuple[EngineFormat, inspect.Field]]] = {}
    for form, field in _fields():
        found.setdefault(field.name, []).append((form, field))
    return found


def _fields() -> Iterator[tuple[EngineFormat, inspect.Field]]:
    for form in formats():
        if form.building is not None:
            described = inspect.type_info(form.building.options)
            if isinstance(described, inspect.StructType):
                yield from ((form, field) for field in described.fields)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _describe(field: inspect.Field) -> str:
    kind = field.type
    extra = kind.extra_json_schema if isinstance(kind, inspect.Metadata) else None
    text = str((extra or {}).get("description", field.name.replace("_", " ")))
    return f"{text}. [default: {field.default}]"


def _type(kind: inspect.Type) -> tuple["click.ParamType[Any]", dict[str, Any]]:
    inner = kind.type if isinstance(kind, inspect.Metadata) else kind
    if isinstance(inner, inspect.IntType):
        return click.IntRange(inner.ge, inner.le), {"metavar": "N"}
    if isinstance(inner, inspect.FloatType):
        return click.FloatRange(inner.ge, inner.le), {"metavar": "X"}
    if isinstance(inner, inspect.BoolType):
        return click.BOOL, {}
    if isinstance(inner, inspect.LiteralType):
        return click.Choice([str(value) for value in inner.values]), {}
    return click.STRING, {}
