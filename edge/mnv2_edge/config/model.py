"""Types of the configuration file: its keys and their defaults.

Nothing here reads a file or the environment; `mnv2_edge.config.read` does the former, `mnv2_edge.app` the latter.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from mnv2_edge.sinks.settings import FileName, MqttSettings, StdoutSettings
from mnv2_edge.sources.decoding.limits import DEFAULT_MEGAPIXELS, MOST_MEGAPIXELS

__all__ = [
    "SINK_SETTINGS",
    "CameraConfig",
    "Config",
    "DeviceConfig",
    "EngineConfig",
    "LogConfig",
    "SaveConfig",
    "SinkConfig",
    "SlowdownConfig",
    "TaskConfig",
    "Triple",
    "camera_ids",
]

Region: TypeAlias = tuple[float, float, float, float]
Triple: TypeAlias = tuple[float, float, float]
"""One number per channel."""
CameraId: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}\Z",
        description="a name of a-z, 0-9, _ and - that begins with a letter or digit, as in front-door",
    ),
]
"""It becomes a level of a topic."""


class DeviceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Identity of this device."""

    name: str | None = None
    """For people, and the id in records and topics; the board's serial number when absent."""
    instance: str = ""
    """Tells several runtimes on one device apart."""


class CameraConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One camera."""

    uri: str = "0"
    """`demo`, an image, a folder, a video, `/dev/videoN`, or N: the N-th camera that `mnv2-edge cameras` prints."""
    id: CameraId | None = None
    """Its name in records and topics; `camera0`, `camera1`, ... when absent."""
    pace: Literal["realtime", "max"] | None = None
    """Of a file: `max` (the default) reads as fast as the engine takes frames, `realtime` at the file's own rate."""
    rotate: Literal[0, 90, 180, 270] = 0
    """Degrees clockwise."""
    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    """After rotating."""
    password_file: FileName | None = None
    """Holds the camera's password; the environment's MNV2_EDGE_CAMERA_PASSWORD when absent."""
    required: bool = True
    """Whether a run ends at once when it cannot be opened at the start; else it is waited for, as after an outage."""
    stall_s: Annotated[float, msgspec.Meta(ge=0.5, le=3600)] = 5.0
    """Seconds without a new frame after which it is closed and opened again."""
    frozen_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 30.0
    """Seconds of the very same picture after which that is done too; 0: never. Not for files and the demo."""
    black_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 2.0
    """Black pictures are not looked at, and reported after so many seconds; 0: they are. Not for files and the demo."""
    max_age_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 10.0
    """A picture that is older is not looked at, nor its result published: after sleep. 0: it is. Not for files."""
    roi: Region | None = None
    """Left, top, width and height of the part to look at, after rotating: shares of the picture, or whole pixels."""
    max_rate: Annotated[float, msgspec.Meta(gt=0, le=1000)] | None = None
    """Frames per second that are looked at, at most."""
    max_megapixels: Annotated[float, msgspec.Meta(ge=1, le=MOST_MEGAPIXELS)] = DEFAULT_MEGAPIXELS
    """Millions of pixels that a compressed picture may have, and as many times 6 bytes of memory to decode it."""
    motion: Annotated[float, msgspec.Meta(gt=0, lt=1)] | None = None
    """Look only while this share of the picture changes, and shortly after."""


class EngineConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which network runs and how."""

    model: FileName | None = None
    """An engine of the store by its name, or an engine file; the store's default when absent, else the demo network."""
    build: Literal["never", "missing", "stale"] = "never"
    """Whether an engine of the store is built before it runs: one not built on this device yet, or also a stale one."""
    watch: bool = False
    """Whether another engine that takes its place is put to work while running; SIGHUP does so in any case."""
    require_signed: bool = False
    """Whether only an engine of the store runs that a trusted key has signed."""
    trusted_keys: FileName | None = None
    """The public keys for that, as minisign and `mnv2-edge engines keygen` write them."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None
    """CPU threads of LiteRT; when absent, one less than the cores, at most 4, at least 1."""
    mean: Triple | None = None
    """Per channel, on the scale 0 to 255; the engine's own when absent. So are the next three."""
    std: Triple | None = None
    color: Literal["RGB", "BGR"] | None = None
    resize: str | None = None
    """`stretch`, `center-crop[:FRACTION]` or `letterbox`."""
    resize_quality: Literal["antialias", "fast"] = "antialias"
    gpu_memory: Literal["auto", "mapped", "copy"] = "auto"
    """How frames reach a GPU under TensorRT; `auto` maps them where CPU and GPU share their memory."""
    cuda_graph: Literal["auto", "always", "never"] = "auto"
    """Whether TensorRT's work is launched as one graph; `auto` does without where it is not possible."""


class TaskConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the outputs mean."""

    name: str | None = None
    """The engine's own when absent, else `classify`."""
    top_k: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """How many of a frame at most; when absent 3 labels, 100 detections, every segment."""
    score_threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    """Leave out what scores less; when absent 0 for labels, 0.5 for detections, a share of 0.01 for segments."""
    thresholds: dict[str, Annotated[float, msgspec.Meta(ge=0, le=1)]] = {}
    """A threshold of its own per label, of a detector."""
    groups: dict[str, list[str]] = {}
    """A new label per key whose score is the sum of its members'."""
    softmax: bool | None = None
    """Whether the outputs are logits that softmax has to turn into probabilities; the task finds out when absent."""
    mask: Literal["none", "rle", "png"] = "none"
    """In which form a segmenter publishes the class of every pixel."""
    mask_size: Literal["network", "source"] = "network"
    """Whether that has the pixels of the network or of the whole frame."""


SinkConfig: TypeAlias = dict[str, dict[str, Any]]
"""One key, the sink's name, and its options: `{mqtt: {uri: mqtt://broker}}`.

Ours are checked against `SINK_SETTINGS`; what a plug-in's options mean is for the plug-in to say.
"""

SINK_SETTINGS: Mapping[str, type[msgspec.Struct]] = {"stdout": StdoutSettings, "mqtt": MqttSettings}


class SaveConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Saved pictures with the results drawn in, for people to look at."""

    folder: FileName | None = None
    """Where they go; when absent none are saved."""
    every_s: Annotated[float, msgspec.Meta(ge=0, le=86400)] = 1.0
    """Of a camera one in so many seconds; 0: every frame. Of files all of them."""
    limit_mib: Annotated[int, msgspec.Meta(ge=1)] = 256
    """Nothing is saved any more once the folder holds so much."""


class SlowdownConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the frame rate of live cameras is reduced, before the board throttles itself or runs out of memory."""

    heat_c: Annotated[float, msgspec.Meta(ge=0, le=120)] | None = None
    """From so many °C of a processor on; when absent 2 below where the board slows itself down; 0: never."""
    free_memory_mib: Annotated[int, msgspec.Meta(ge=0)] = 40
    """When less memory than this is left, or programs wait for memory a fifth of the time; 0: never."""


class LogConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is logged to stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration. Every key except `version` has a default."""

    version: Literal[1]
    device: DeviceConfig = DeviceConfig()
    cameras: Annotated[tuple[CameraConfig, ...], msgspec.Meta(min_length=1)] = (CameraConfig(),)
    engine: EngineConfig = EngineConfig()
    task: TaskConfig = TaskConfig()
    labels: FileName | None = None
    """A label file; the engine's own labels when absent."""
    sinks: tuple[SinkConfig, ...] = ({"stdout": {}},)
    save: SaveConfig = SaveConfig()
    slowdown: SlowdownConfig = SlowdownConfig()
    log: LogConfig = LogConfig()


def camera_ids(cameras: Sequence[CameraConfig]) -> tuple[str, ...]:
    """Return what records call each camera: its `id`, else `camera` and its place in the list."""
    return tuple(camera.id or f"camera{place}" for place, camera in enumerate(cameras))
