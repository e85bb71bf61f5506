"""Option types of the built-in sinks, as they stand in a configuration file."""

from typing import Annotated, Literal, TypeAlias, TypeVar

import msgspec

from mnv2_edge.errors import ConfigError
from mnv2_edge.sinks import SinkOptions

__all__ = ["FileName", "MqttSettings", "OutputFormat", "StdoutSettings", "read_settings"]

FileName: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\S", description="text, or no such key")]
"""An empty one would mean the working folder."""
OutputFormat: TypeAlias = Literal["auto", "text", "jsonl", "none"]


class StdoutSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the sink `stdout`."""

    format: OutputFormat = "auto"
    """`auto` is `text` on a terminal (a line when the label changes) and `jsonl` in a pipe (an object a frame)."""
    records: Literal["results", "all"] = "results"
    """What `jsonl` writes: `results`, one object a frame, or `all`: states and events too, told apart by `type`."""


class MqttSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the sink `mqtt`."""

    uri: str
    """`mqtt[s]://[user@]host[:port][/prefix]`; the prefix of every topic is `mnv2-edge` by default."""
    password_file: FileName | None = None
    ca_file: FileName | None = None
    cert_file: FileName | None = None
    key_file: FileName | None = None
    every: Literal["change", "frame"] = "change"
    """`change`: when the summary changes, at most once in `min_interval_s`, and every `heartbeat_s`."""
    min_interval_s: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    heartbeat_s: Annotated[float, msgspec.Meta(ge=0)] = 60.0
    """0 publishes no heartbeat."""
    keepalive_s: Annotated[int, msgspec.Meta(ge=5, le=65535)] = 30
    """MQTT has 16 bits for it."""
    client_id: str | None = None
    """What the broker knows this runtime by; `mnv2-edge-DEVICE` when absent. No two clients may have the same."""
    homeassistant: bool = False
    """Publish Home Assistant's discovery documents."""
    homeassistant_prefix: str = "homeassistant"


_Settings = TypeVar("_Settings", bound=msgspec.Struct)


def read_settings(options: SinkOptions, kind: type[_Settings]) -> _Settings:
    """Return the sink's own options as `kind`.

    Raises ConfigError that names the sink and the option.
    """
    try:
        return msgspec.convert(dict(options.options), kind)
    except msgspec.ValidationError as exc:
        known = ", ".join(field.encode_name for field in msgspec.structs.fields(kind))
        raise ConfigError(f"options of the sink {options.kind!r}: {exc}; it takes {known}") from exc
