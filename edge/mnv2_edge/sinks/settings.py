"""Type the options of our own sinks, as they stand in a configuration file."""

from typing import Annotated, Literal, TypeAlias

import msgspec

__all__ = ["MqttSettings", "OutputFormat", "StdoutSettings"]

OutputFormat: TypeAlias = Literal["auto", "text", "jsonl", "none"]


class StdoutSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the sink `stdout`."""

    format: OutputFormat = "auto"
    """`auto` is `text` on a terminal (a line when the label changes) and `jsonl` in a pipe (an object a frame)."""


class MqttSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the sink `mqtt`."""

    uri: str
    """`mqtt[s]://[user@]host[:port][/prefix]`; the prefix of every topic is `mnv2-edge` by default."""
    password_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    every: Literal["change", "frame"] = "change"
    """`change`: when the best label changes, at most once in `min_interval_s`, and every `heartbeat_s`."""
    min_interval_s: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    heartbeat_s: Annotated[float, msgspec.Meta(ge=0)] = 60.0
    """0 publishes no heartbeat."""
    keepalive_s: Annotated[int, msgspec.Meta(ge=5)] = 30
    homeassistant: bool = False
    """Publish Home Assistant's discovery documents."""
    homeassistant_prefix: str = "homeassistant"
