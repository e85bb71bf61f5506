"""The published records: one documented, versioned schema for stdout, MQTT and plug-ins.

A record is a `Result` (one a frame), a `CameraState` (on change) or an `Event` (something that happened once).
`encode` gives the JSON that every sink writes, `json_schema` the schema that `mnv2-edge schema` prints. Fields are only
ever added within one schema version; a reader ignores what it does not know.
"""

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from mnv2_edge.host.clock import Timestamp
from mnv2_engines.predictions import Box, Detection, Mask, Prediction, Segment

__all__ = [
    "SCHEMA_VERSION",
    "CameraState",
    "Details",
    "Event",
    "Latency",
    "Record",
    "Result",
    "StateName",
    "encode",
    "json_schema",
]

SCHEMA_VERSION: Final = 1
Details: TypeAlias = dict[str, str | int | float | bool]
StateName: TypeAlias = Literal["starting", "streaming", "stalled", "reconnecting", "failed", "ended"]

# Descriptions and limits are for the schema; nothing is checked when a record is made.
_Device: TypeAlias = Annotated[str, Meta(description="Id of the device, as in topics.")]
_Camera: TypeAlias = Annotated[str, Meta(description="Id of the camera, as in topics.")]
_Ms: TypeAlias = Annotated[float, Meta(ge=0)]
_Count: TypeAlias = Annotated[int, Meta(ge=0)]
_Dropped: TypeAlias = Annotated[
    int,
    Meta(
        ge=0, description="Frames of this camera since the start that a newer one replaced before they were inferred."
    ),
]
_Skipped: TypeAlias = Annotated[
    int, Meta(ge=0, description="Pictures of this camera since the start that could not be decoded.")
]
_Gated: TypeAlias = Annotated[
    int,
    Meta(
        ge=0,
        description="Frames of this camera since the start that were held back: above `max_rate`, above a lower rate "
        "because of heat or low memory, without motion, black or frozen.",
    ),
]
_Expired: TypeAlias = Annotated[
    int,
    Meta(
        ge=0,
        description="Frames of this camera since the start that were older than `max_age_s` when they would have been "
        "looked at or published: the process was stopped, or the machine slept.",
    ),
]
_Version: TypeAlias = Annotated[Literal[1], Meta(description="Version of this schema.")]


@dataclass(frozen=True, slots=True)
class Latency:
    """Where one frame's time went, in milliseconds."""

    prepare_ms: Annotated[_Ms, Meta(description="Crop, resize, colour and quantise into the backend's buffer.")]
    wait_ms: Annotated[float, Meta(description="Capture until inference began, less `prepare_ms`.")]
    infer_ms: Annotated[_Ms, Meta(description="The network.")]
    decode_ms: Annotated[_Ms, Meta(description="Outputs to predictions.")]


@dataclass(frozen=True, slots=True)
class Result:
    """What the network saw in one frame."""

    device: _Device
    camera: _Camera
    frame: Annotated[_Count, Meta(description="Index of the frame in its source, from 0; goes on after a re-open.")]
    captured: Annotated[Timestamp, Meta(description="When the picture was taken, as near to the sensor as possible.")]
    age_ms: Annotated[float, Meta(description="Capture to publish, in milliseconds.")]
    dropped: _Dropped
    skipped: _Skipped
    latency: Latency
    engine: Annotated[str, Meta(description="`NAME@` and the first twelve characters of the engine file's SHA-256.")]
    task: Annotated[str, Meta(description="What the outputs were read as, for example `classify`.")]
    predictions: Annotated[
        tuple[Prediction, ...],
        Meta(description="Best first; empty when nothing reached the score threshold, and for other tasks."),
    ]
    width: Annotated[_Count, Meta(description="Width of the frame in pixels: the camera's whole picture, upright.")]
    height: Annotated[_Count, Meta(description="Height of the frame in pixels.")]
    picture: Annotated[str, Meta(description="Name of the picture's file; empty for a camera and a video.")] = ""
    gated: _Gated = 0
    summary: Annotated[
        str,
        Meta(
            description="In words: the best label, how many there are of what, or which classes have an area; empty "
            "when there is nothing."
        ),
    ] = ""
    detections: Annotated[
        tuple[Detection, ...], Meta(description="Things and where they are, best first; of a detector.")
    ] = ()
    segments: Annotated[
        tuple[Segment, ...], Meta(description="Classes and their share of the picture, largest first; of a segmenter.")
    ] = ()
    mask: Annotated[Mask | None, Meta(description="The class of every pixel, where it was asked for.")] = None
    region_px: Annotated[
        Box | None, Meta(description="The part of the frame that was looked at (`roi`); null: all of it.")
    ] = None
    expired: _Expired = 0
    type: Literal["result"] = "result"
    version: _Version = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class CameraState:
    """State of one camera, published when it changes and retained by a broker."""

    device: _Device
    camera: _Camera
    state: StateName
    reason: Annotated[
        str, Meta(description="Why, in words, or what is to be said of it nevertheless; empty when all is well.")
    ]
    since: Annotated[
        Timestamp, Meta(description="When it came into this state, or from when on what `reason` says of it is so.")
    ]
    frames: Annotated[_Count, Meta(description="Frames of this camera inferred since the start.")]
    dropped: _Dropped
    skipped: _Skipped
    reopened: Annotated[_Count, Meta(description="How often the source was opened again and gave a frame.")] = 0
    gated: _Gated = 0
    expired: _Expired = 0
    lost: Annotated[
        int,
        Meta(
            ge=0,
            description="Records of all cameras since the start that a sink of this device could not deliver, or "
            "cannot tell whether it did: a broker that was away, a disk that was full, a reader that was too slow.",
        ),
    ] = 0
    type: Literal["state"] = "state"
    version: _Version = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened once, never retained."""

    device: _Device
    camera: _Camera
    event: Annotated[str, Meta(description="What: `outage`, `engine`, `slowdown`.")]
    at: Annotated[Timestamp, Meta(description="When.")]
    details: Annotated[Details, Meta(description="More about it; which keys depends on the event.")] = field(
        default_factory=dict
    )
    type: Literal["event"] = "event"
    version: _Version = SCHEMA_VERSION


Record: TypeAlias = Result | CameraState | Event

_encoder = msgspec.json.Encoder()


def encode(record: Record) -> bytes:
    """Return the record as one line of UTF-8 JSON without a line end; a file name that is not UTF-8 shows `?`."""
    try:
        return _encoder.encode(record)
    except UnicodeEncodeError:  # the bytes of such a name are lone surrogates in Python, which JSON cannot carry
        text = json.dumps(msgspec.to_builtins(record), ensure_ascii=False, separators=(",", ":"))
        return text.encode(errors="replace")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of every record.

    A record has exactly one `type`. Properties that the schema does not know are allowed: a later version of this
    program may add some.
    """
    kinds = (Result, CameraState, Event)
    references, components = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    for kind in kinds:
        # They have defaults, so msgspec does not require them; `encode` always writes them.
        components[kind.__name__]["required"] += ["type", "version"]
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"mnv2-edge records, version {SCHEMA_VERSION}",
        "oneOf": references,
        "$defs": components,
    }
    written: dict[str, Any] = json.loads(msgspec.json.encode(schema))  # defaults are tuples here, arrays there
    return written
