"""The composition root: it builds everything from a configuration and runs it.

Nothing else knows both a camera and a sink, or decides what happens where the configuration is silent.
"""

import contextlib
import dataclasses
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from mnv2_edge.config.model import CameraConfig, Config, SaveConfig, SinkConfig, SlowdownConfig, camera_ids
from mnv2_edge.environment import Environment, read_environment
from mnv2_edge.errors import RecordsLostError, SinkFailedError, SourceError
from mnv2_edge.host.identity import Identity, read_identity
from mnv2_edge.inference.hot_swap import EngineUpdates, RebuildingEngine
from mnv2_edge.inference.loading import engine_reference, load_network, make_task, open_network
from mnv2_edge.inference.network import Network
from mnv2_edge.pipeline.board_limits import BoardLimits, explain_missing_sensor, read_limit_states
from mnv2_edge.pipeline.frame_gate import GateSettings
from mnv2_edge.pipeline.pipeline import Observer, Outcome, Pipeline
from mnv2_edge.pipeline.reader import OpenedCamera, Supervision
from mnv2_edge.pipeline.throttle import Slowdown
from mnv2_edge.pipeline.viewers import Viewer
from mnv2_edge.plugins import load_plugin
from mnv2_edge.redaction import read_secret
from mnv2_edge.saving import PictureFolder, Saver
from mnv2_edge.sinks import Sink, SinkOptions
from mnv2_edge.sources import FrameSource
from mnv2_edge.sources.decoding.limits import PictureLimits, bound_opencv
from mnv2_edge.sources.open import open_source
from mnv2_edge.sources.region import Region
from mnv2_edge.sources.uri import parse_uri
from mnv2_engines.engine.engine import Engine

__all__ = [
    "Runtime",
    "camera_ids",
    "check_losses",
    "check_outcome",
    "engine_reference",
    "load_network",
    "make_task",
    "open_cameras",
    "open_network",
    "open_runtime",
    "open_sinks",
    "run",
    "silence_opencv",
]

_log = logging.getLogger(__name__)
_RECORDED: Final = frozenset({"demo", "file"})
"""Sources that show no sensor's pictures."""
_REPLAYED: Final = frozenset({"file", "replay"})
"""Sources whose pictures are worth as much later."""


def run(
    config: Config,
    environment: Environment | None = None,
    *,
    max_frames: int | None = None,
    observers: Sequence[Observer] = (),
    stop: threading.Event | None = None,
) -> Outcome:
    """Run what `config` describes until its sources end, `max_frames` results are out, or `stop` is set.

    Secrets and folders come from `environment`; that is the process's own when none is given.
    Everything is opened before the first frame is read, so that a mistake ends the run at once. Raises EdgeError and
    EnginesError for all that can be foreseen, and what `check_outcome` and `check_losses` raise.
    """
    with open_runtime(config, environment or read_environment(os.environ), observers=observers) as runtime:
        outcome = runtime.run(stop, max_frames=max_frames)
    outcome = dataclasses.replace(outcome, lost=runtime.lost)
    stopped = stop is not None and stop.is_set()
    check_outcome(outcome, stopped=stopped)
    check_losses(outcome, stopped=stopped)
    return outcome


class Runtime:
    """The opened and connected parts that one configuration describes."""

    def __init__(self, pipeline: Pipeline, updates: EngineUpdates) -> None:
        self._pipeline = pipeline
        self._updates = updates

    @property
    def lost(self) -> int:
        """Count the records that sinks could not deliver; complete once they are closed."""
        return self._pipeline.lost

    def look_for_engine(self) -> None:
        """Change the engine soon if there is another one; from any thread, and returns at once."""
        self._updates.ask()

    def run(self, stop: threading.Event | None = None, *, max_frames: int | None = None) -> Outcome:
        """Run as `Pipeline.run`, and change the engine meanwhile when there is another one. Once."""
        self._updates.start(self._pipeline.change_network)
        try:
            outcome = self._pipeline.run(stop, max_frames=max_frames)
        finally:
            self._updates.close()
        if self._updates.stuck:
            outcome = dataclasses.replace(outcome, stuck=(*outcome.stuck, "the opening of an engine"))
        return outcome


@contextlib.contextmanager
def open_runtime(
    config: Config,
    environment: Environment,
    *,
    observers: Sequence[Observer] = (),
    on_alive: Callable[[], None] | None = None,
) -> Iterator[Runtime]:
    """Open cameras, engine and sinks, and connect them; close them at the end, the last one first."""
    identity = read_identity(name=config.device.name, instance=config.device.instance)
    ids = camera_ids(config.cameras)
    silence_opencv()
    with contextlib.ExitStack() as stack:
        # The cheapest first: a mistyped camera need not wait for an engine, nor a broker hear of a run that never was.
        cameras = stack.enter_context(open_cameras(config.cameras, environment))

        def load(engine: Engine) -> Network:
            return load_network(engine, config.engine, config.task, config.labels, environment)

        reference = engine_reference(config.engine, environment, serve_meanwhile=True)
        rebuilding = reference if isinstance(reference, RebuildingEngine) else None
        updates = EngineUpdates(reference, load, watch=config.engine.watch or rebuilding is not None)
        stack.enter_context(contextlib.closing(updates))
        sinks = stack.enter_context(
            open_sinks(config.sinks, identity, ids, environment, labels=lambda: updates.network.labels)
        )
        viewers = stack.enter_context(_open_viewers(config.save))
        pipeline = Pipeline(
            cameras,
            updates.network,
            sinks,
            observers=observers,
            viewers=viewers,
            on_alive=on_alive,
            remark=rebuilding.remark if rebuilding is not None else str,
            slowdown=_slowdown(config.slowdown),
            device=identity.device_id,
        )
        yield Runtime(pipeline, updates)


def check_outcome(outcome: Outcome, *, stopped: bool) -> None:
    """Raise SinkFailedError when a sink broke by its own fault, SourceError when a camera did or no picture was one."""
    if outcome.sink_failed:
        raise SinkFailedError(f"{outcome.sink_failed}: what came after that is lost; `--debug` shows where it broke")
    if outcome.failed:
        raise SourceError(outcome.failed)
    if outcome.skipped and outcome.results == 0 and not stopped:
        raise SourceError(f"none of {outcome.skipped} pictures could be read: the log says why, expected one at least")


def check_losses(outcome: Outcome, *, stopped: bool) -> None:
    """Raise RecordsLostError when a run that came to its own end did not deliver every record."""
    if outcome.lost and not stopped:
        raise RecordsLostError(
            f"{outcome.lost} records are lost, or may be: the log says of which sink and why; run it again when the "
            "broker is there, the disk has room, or the reader keeps up"
        )


@contextlib.contextmanager
def open_cameras(cameras: Sequence[CameraConfig], environment: Environment) -> Iterator[tuple[OpenedCamera, ...]]:
    """Open every camera that is required; a reader opens the others, and again what it loses, in the same way."""
    with contextlib.ExitStack() as stack:
        opened = []
        for name, config in zip(camera_ids(cameras), cameras, strict=True):
            file = config.password_file or environment.credential("camera-password")
            secret = read_secret(file, environment.camera_password)

            def reopen(config: CameraConfig = config, name: str = name, secret: str = secret) -> FrameSource:
                return open_source(
                    config.uri,
                    camera_id=name,
                    pace=config.pace,
                    rotate=config.rotate,
                    flip=config.flip,
                    region=None if config.roi is None else Region.of(config.roi),
                    secret=secret,
                    stall_s=config.stall_s,
                    limits=PictureLimits(config.max_megapixels),
                )

            kind = parse_uri(config.uri).kind
            recorded = kind in _RECORDED
            max_age_s = 0.0 if kind in _REPLAYED else config.max_age_s
            wait = not config.required and not recorded
            source = None if wait else stack.enter_context(contextlib.closing(reopen()))
            supervision = _supervision(config, recorded=recorded)
            opened.append(OpenedCamera(name, source, reopen, supervision, _gate_settings(config), max_age_s))
        yield tuple(opened)


@contextlib.contextmanager
def open_sinks(
    sinks: Sequence[SinkConfig],
    identity: Identity,
    cameras: tuple[str, ...],
    environment: Environment,
    *,
    labels: Callable[[], tuple[str, ...]] = tuple,
) -> Iterator[tuple[Sink, ...]]:
    """Open every sink of the configuration, through the entry point that its key names."""
    with contextlib.ExitStack() as stack:
        opened = []
        for entry in sinks:
            ((kind, options),) = entry.items()
            sink_options = SinkOptions(
                kind=kind,
                device=identity.device_id,
                device_name=identity.device_name,
                instance=identity.instance,
                cameras=cameras,
                labels=labels,
                options=options,
                secret=read_secret(_password_file(options, environment), environment.mqtt_password),
            )
            sink = cast("Sink", load_plugin("mnv2_edge.sinks", kind)(sink_options))
            opened.append(stack.enter_context(contextlib.closing(sink)))
        yield tuple(opened)


@contextlib.contextmanager
def _open_viewers(config: SaveConfig) -> Iterator[tuple[Viewer, ...]]:
    """Open what looks at pictures."""
    if config.folder is None:
        yield ()
        return
    folder = PictureFolder(Path(config.folder).expanduser(), int(config.limit_mib * 2**20))
    with contextlib.closing(Saver(folder, config.every_s)) as saver:
        yield (saver,)


def _slowdown(config: SlowdownConfig) -> Slowdown:
    limits = BoardLimits(config.heat_c, config.free_memory_mib)
    if blind := explain_missing_sensor(limits):
        _log.warning("%s", blind)
    return Slowdown(lambda: read_limit_states(limits))


def _password_file(options: Mapping[str, object], environment: Environment) -> str | None:
    return cast("str | None", options.get("password_file")) or environment.credential("mqtt-password")


def _supervision(config: CameraConfig, *, recorded: bool) -> Supervision:
    if recorded:  # what was filmed or drawn may stand still or be black, and is none the worse for it
        return Supervision(stall_s=config.stall_s)
    return Supervision(stall_s=config.stall_s, frozen_s=config.frozen_s, black_s=config.black_s)


def _gate_settings(config: CameraConfig) -> GateSettings:
    return GateSettings(max_rate=config.max_rate or 0.0, motion=config.motion or 0.0)


def silence_opencv() -> None:
    """Keep OpenCV to the thread that calls it, and its libraries' own lines off stderr: we say what went wrong."""
    bound_opencv()
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
    import cv2

    # Halving a picture is enough work for OpenCV to take a second core, which inference has better use for.
    cv2.setNumThreads(1)
