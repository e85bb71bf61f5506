"""A configuration written as a person would: what differs from the defaults, and what each part is for."""

from typing import Final

import msgspec
import yaml

from mnv2_edge.config.model import SINK_SETTINGS, CameraConfig, Config
from mnv2_edge.config.read import parse_config
from mnv2_edge.config.rules import registered_names

__all__ = ["configuration_text"]

_HEAD: Final = """\
# Configuration of mnv2-edge, by `mnv2-edge setup`. What is not here holds
# its default. Keys and what they mean: docs/configuration.md, or
#   mnv2-edge config show {file}

version: 1
"""
_COMMENTS: Final = {
    "device": "Who this device is, in records and topics.",
    "cameras": "What to look at. `mnv2-edge cameras` lists what there is.",
    "engine": "Which network runs: an engine, a model that was pulled, or a file.",
    "task": "What its outputs mean.",
    "labels": "Names of the classes.",
    "sinks": "Where results go.",
    "save": "Pictures with what was seen drawn in.",
    "slowdown": "From which heat or shortage of memory on cameras are looked at less often.",
    "log": "What is logged to stderr.",
}
_WIDTH: Final = 10_000
"""YAML folds longer text, and a folded address cannot be copied."""


def configuration_text(config: Config, file: str) -> str:
    """Return YAML that `read_config` reads as `config`; `file` is what its comments call it.

    Raises ConfigError when it would be read as something else, which nothing that passes the rules is.
    """
    sections = {**_differences(config), "cameras": [_camera(camera) for camera in config.cameras]}
    sections["sinks"] = [_sink(sink) for sink in config.sinks]
    parts = [_HEAD.format(file=file)]
    for name in Config.__struct_fields__:
        if name in sections and name != "version":
            body = yaml.safe_dump({name: sections[name]}, sort_keys=False, allow_unicode=True, width=_WIDTH)
            parts.append(f"# {_COMMENTS[name]}\n{body}")
    text = "\n".join(parts)
    parse_config(text.encode(), file, registered_names())
    return text


def _differences(struct: msgspec.Struct) -> dict[str, object]:
    """Return what differs from the defaults, as plain data."""
    found: dict[str, object] = {}
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if isinstance(value, msgspec.Struct):
            inner = _differences(value)
            if inner:
                found[field.name] = inner
        elif value != _default(field):
            found[field.name] = msgspec.to_builtins(value)
    return found


def _default(field: msgspec.structs.FieldInfo) -> object:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _camera(camera: CameraConfig) -> dict[str, object]:
    return {"uri": camera.uri, **_differences(camera)}


def _sink(sink: dict[str, dict[str, object]]) -> object:
    """Return a sink with the options that differ; its bare name where none does, and a plug-in's as they are."""
    ((name, options),) = sink.items()
    settings = SINK_SETTINGS.get(name)
    if settings is not None:
        options = _differences(msgspec.convert(options, settings))
    return {name: options} if options else name
