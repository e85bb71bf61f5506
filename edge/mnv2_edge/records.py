"""Define what is published: one documented, versioned schema for stdout, MQTT and plug-ins.

A record is a `Result` (one a frame), a `CameraState` (on change) or an `Event` (something that happened once).
`encode` gives the JSON that every sink writes, `json_schema` the schema that `mnv2-edge schema` prints. Fields are only
ever added within one schema version; a reader ignores what it does not know.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import msgspec

from mnv2_edge.clock import Timestamp
from mnv2_engines.predictions import Prediction

__all__ = [
    "SCHEMA_VERSION",
    "CameraState",
    "Event",
    "Latency",
    "Record",
    "Result",
    "StateName",
    "encode",
    "json_schema",
]

SCHEMA_VERSION: Final = 1
StateName: TypeAlias = Literal["starting", "streaming", "stalled", "reconnecting", "failed", "ended"]


@dataclass(frozen=True, slots=True)
class Latency:
    """Where one frame's time went, in milliseconds."""

    prepare_ms: float
    """Crop, resize, colour and quantise into the backend's buffer."""
    wait_ms: float
    """Capture until inference began, less `prepare_ms`."""
    infer_ms: float
    """The network."""
    decode_ms: float
    """Outputs to predictions."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the network saw in one frame."""

    device: str
    camera: str
    frame: int
    """Index of the frame in its source, from 0; goes on after a re-open."""
    captured: Timestamp
    """When the picture was taken, as near to the sensor as the source allows."""
    age_ms: float
    """Capture to publish."""
    dropped: int
    """Frames of this camera that were read and never inferred, since the start: newer ones replaced them."""
    skipped: int
    """Pictures of this camera that could not be decoded, since the start."""
    latency: Latency
    engine: str
    """Name and first twelve characters of the engine file's SHA-256."""
    task: str
    predictions: tuple[Prediction, ...]
    """Best first; empty when nothing reached the score threshold."""
    width: int
    """Of the frame, in pixels."""
    height: int
    picture: str = ""
    """Name of the picture's file; empty for a camera and a video."""
    type: Literal["result"] = "result"
    version: Literal[1] = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class CameraState:
    """How one camera is, published when it changes and retained by a broker."""

    device: str
    camera: str
    state: StateName
    reason: str
    """Why, in words; empty when all is well."""
    since: Timestamp
    frames: int
    """Frames inferred since the start."""
    dropped: int
    skipped: int
    reopened: int = 0
    """How often the source was opened again and gave a frame."""
    type: Literal["state"] = "state"
    version: Literal[1] = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened once, never retained."""

    device: str
    camera: str
    event: str
    """What, for example `outage`."""
    at: Timestamp
    details: dict[str, str | int | float | bool] = field(default_factory=dict)
    type: Literal["event"] = "event"
    version: Literal[1] = SCHEMA_VERSION


Record: TypeAlias = Result | CameraState | Event

_encoder = msgspec.json.Encoder()


def encode(record: Record) -> bytes:
    """Return the record as one line of UTF-8 JSON without a line end."""
    return _encoder.encode(record)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of every record."""
    schemas, components = msgspec.json.schema_components([Result, CameraState, Event], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"mnv2-edge records, version {SCHEMA_VERSION}",
        "oneOf": list(schemas),
        "$defs": components,
    }
