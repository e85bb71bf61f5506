"""The effective configuration as text, without secrets."""

from collections.abc import Mapping
from typing import TypeAlias

import msgspec
import yaml

from mnv2_edge.config.model import SINK_SETTINGS, Config
from mnv2_edge.redaction import redact

__all__ = ["effective", "to_yaml"]

_Plain: TypeAlias = "str | int | float | bool | list[_Plain] | dict[str, _Plain] | None"


def effective(config: Config) -> "dict[str, _Plain]":
    """Return every key with its value or default as plain data; passwords in URIs and known secrets are `***`."""
    plain = msgspec.to_builtins(config)
    plain["sinks"] = [{name: _with_defaults(name, options) for name, options in sink.items()} for sink in config.sinks]
    return {name: _redacted(value) for name, value in plain.items()}


def to_yaml(config: Config) -> str:
    """Return `effective` as YAML that `read_config` reads again."""
    return yaml.safe_dump(effective(config), sort_keys=False, allow_unicode=True, width=120)


def _with_defaults(sink: str, options: Mapping[str, object]) -> object:
    """Fill in what one of our sinks defaults to; the options of a plug-in are only known to the plug-in."""
    settings = SINK_SETTINGS.get(sink)
    return options if settings is None else msgspec.to_builtins(msgspec.convert(options, settings))


def _redacted(value: object) -> _Plain:
    if isinstance(value, Mapping):
        return {str(name): _redacted(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted(one) for one in value]
    if isinstance(value, str):
        return redact(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    raise TypeError(f"a configuration holds {value!r}: expected text, a number, a list or a mapping")
