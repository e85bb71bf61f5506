"""`mnv2-edge run`: publish what cameras see."""

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from mnv2_edge.cli.run_pipeline import exit_if_threads_hang, run_until_stopped, status_of_losses
from mnv2_edge.cli.ui.common import current_session
from mnv2_edge.cli.ui.parameters import Triple, preprocess_options
from mnv2_edge.config.model import CameraConfig, Config, SinkConfig
from mnv2_edge.config.read import read_config
from mnv2_edge.config.rules import require_valid
from mnv2_edge.errors import UsageError
from mnv2_edge.plugins import plugin_names
from mnv2_edge.redaction import refuse_password_in_argv

__all__ = ["command"]

_log = logging.getLogger(__name__)
_Struct = TypeVar("_Struct", bound=msgspec.Struct)

_EPILOG = """\b
Examples:
  mnv2-edge run --camera demo                       no camera needed
  mnv2-edge run --camera 0                          the first that `mnv2-edge cameras` lists
  mnv2-edge run --camera photos/ --format jsonl     a folder of pictures, one JSON object each
  mnv2-edge run --camera film.mp4 --pace realtime   a video as if it were a camera
  mnv2-edge run --model birds --mqtt mqtt://broker.local --homeassistant
  mnv2-edge run --camera photos/ --model people --save seen/
  mnv2-edge run --config /etc/mnv2-edge.yaml

\b
Results go to stdout, everything else to stderr. Ctrl-C ends it; `kill -HUP` has it
read its configuration again, and look for another engine under the same name.
Passwords never go on the command line: put them into the environment as
MNV2_EDGE_MQTT_PASSWORD and MNV2_EDGE_CAMERA_PASSWORD, or name a password_file in
the configuration. A flag wins over the configuration file.
"""


@dataclass(frozen=True, slots=True)
class _Flags:
    """Flags given on the command line; None for each that was not given."""

    camera: tuple[str, ...]
    model: str | None
    build: str | None
    watch_engines: bool
    labels: str | None
    task: str | None
    top_k: int | None
    score_threshold: float | None
    threads: int | None
    output_format: str | None
    mqtt: str | None
    homeassistant: bool
    save: str | None
    save_every: float | None
    mean: Triple | None
    std: Triple | None
    color: str | None
    resize: str | None
    resize_quality: str | None
    rotate: int | None
    flip: str | None
    pace: str | None
    wait_for_camera: bool
    device_name: str | None


@click.command(epilog=_EPILOG)
@click.option(
    "--camera", metavar="URI", multiple=True, help="A camera or a file; may be given several times. [default: 0]"
)
@click.option("--model", metavar="NAME|FILE", help="The engine. [default: the store's, else the demo network]")
@click.option(
    "--build",
    type=click.Choice(["never", "missing", "stale"]),
    help="Build an engine of the store first: one not built on this device yet, or one that does not pass. [never]",
)
@click.option(
    "--watch-engines", is_flag=True, help="Change to a newer engine while running, when one replaces this engine."
)
@click.option("--labels", metavar="FILE", help="Names of the classes; or imagenet, coco, pascal-voc. [the engine's]")
@click.option("--task", metavar="NAME", help="What the outputs mean. [default: the engine's, else classify]")
@click.option(
    "--top-k", type=click.IntRange(min=1), help="At most N results a frame. [default: 3 labels, 100 detections]"
)
@click.option(
    "--score-threshold",
    type=click.FloatRange(0, 1),
    help="Leave out lower scores. [default: 0; for detections 0.5]",
)
@click.option(
    "--threads", type=click.IntRange(1, 64), help="CPU threads for the network. [default: cores - 1, up to 4]"
)
@click.option("--max-frames", type=click.IntRange(min=1), metavar="N", help="End after N results.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["auto", "text", "jsonl", "none"]),
    help="auto: text on a terminal, JSON lines in a pipe. [default: auto]",
)
@click.option("--mqtt", metavar="URI", help="Also publish to mqtt[s]://[user@]host[:port][/prefix].")
@click.option("--homeassistant", is_flag=True, help="With --mqtt: let Home Assistant discover this device.")
@click.option("--save", metavar="DIR", help="Save pictures with the results drawn in, 256 MiB at most.")
@click.option(
    "--save-every",
    type=click.FloatRange(0, 86400),
    metavar="S",
    help="For a camera: one picture in S seconds. [default: 1]",
)
@preprocess_options
@click.option("--resize-quality", type=click.Choice(["antialias", "fast"]), help="[default: antialias]")
@click.option("--rotate", type=click.Choice(["0", "90", "180", "270"]), help="Turn pictures clockwise.")
@click.option(
    "--flip", type=click.Choice(["none", "horizontal", "vertical", "both"]), help="Mirror pictures, after the turn."
)
@click.option(
    "--pace", type=click.Choice(["realtime", "max"]), help="For files: at their own rate, or as fast as possible. [max]"
)
@click.option("--wait-for-camera", is_flag=True, help="Wait for cameras that are not there at the start.")
@click.option("--device-name", metavar="NAME", help="Name of this device in records and topics.")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, readable=False),
    metavar="FILE.yaml",
    help="A configuration file with every option.",
)
def command(config_file: Path | None, max_frames: int | None, rotate: str | None, **flags: Any) -> int:  # noqa: ANN401
    """Read frames, run the network on them, and publish what it sees.

    Without --model the default engine of the store runs (`mnv2-edge engines default`), and where there is none the
    demo network, which knows road signs only. Without --camera the first usable one is opened.
    """
    given = _Flags(rotate=None if rotate is None else int(rotate), **flags)
    session = current_session()

    def read() -> Config:
        config = configure(read_config(config_file) if config_file else Config(version=1), given)
        require_valid(config)
        session.set_log_level(config.log.level)
        return config

    config = read()

    from mnv2_edge.pipeline.meter import RunMeter

    meter = RunMeter()
    reread = read if config_file is not None and max_frames is None else None
    outcome, stopped = run_until_stopped(config, observers=[meter], max_frames=max_frames, reread=reread)
    _log.info(
        "%s; %d dropped, %d skipped; %d records lost",
        meter.summary(),
        outcome.dropped,
        outcome.skipped,
        outcome.lost,
    )
    status = status_of_losses(outcome, stopped=stopped)
    exit_if_threads_hang(outcome, status)
    return status


def configure(config: Config, flags: _Flags) -> Config:
    """Return the configuration with what the flags say instead.

    Raises UsageError for a password in a flag, and for a flag without effect.
    """
    for field in dataclasses.fields(flags):
        if getattr(flags, field.name) == "":
            raise UsageError(
                f"--{field.name.replace('_', '-')} is empty: expected a value; is a shell variable not set? "
                "Leave the flag out for the default"
            )
    if flags.save_every is not None and flags.save is None and config.save.folder is None:
        raise UsageError("--save-every has no folder to save to: add `--save DIR`")
    tasks = plugin_names("mnv2_engines.tasks")
    if flags.task is not None and flags.task not in tasks:
        raise UsageError(f"--task {flags.task} is not installed: expected one of {', '.join(sorted(tasks))}")
    for uri in (*flags.camera, flags.mqtt or ""):
        refuse_password_in_argv(uri)
    cameras = tuple(CameraConfig(uri=uri) for uri in flags.camera) or config.cameras
    return msgspec.structs.replace(
        config,
        device=_with(config.device, name=flags.device_name),
        cameras=tuple(
            _with(
                camera,
                rotate=flags.rotate,
                flip=flags.flip,
                pace=flags.pace,
                required=False if flags.wait_for_camera else None,
            )
            for camera in cameras
        ),
        engine=_with(
            config.engine,
            model=flags.model,
            build=flags.build,
            watch=flags.watch_engines or None,
            threads=flags.threads,
            mean=flags.mean,
            std=flags.std,
            color=flags.color,
            resize=flags.resize,
            resize_quality=flags.resize_quality,
        ),
        task=_with(config.task, name=flags.task, top_k=flags.top_k, score_threshold=flags.score_threshold),
        labels=config.labels if flags.labels is None else flags.labels,
        sinks=_sinks(config.sinks, flags),
        save=_with(config.save, folder=flags.save, every_s=flags.save_every),
    )


def _with(struct: _Struct, **given: object) -> _Struct:
    return msgspec.structs.replace(struct, **{name: value for name, value in given.items() if value is not None})


def _sinks(sinks: tuple[SinkConfig, ...], flags: _Flags) -> tuple[SinkConfig, ...]:
    """Merge the flags' options into the configuration's sinks; another broker does not get this one's credentials."""
    given: dict[str, dict[str, object]] = {}
    if flags.output_format is not None:
        given["stdout"] = {"format": flags.output_format}
    if flags.mqtt is not None:
        given["mqtt"] = {"uri": flags.mqtt, **dict.fromkeys(("password_file", "cert_file", "key_file"))}
    if flags.homeassistant:
        if "mqtt" not in {*given, *(kind for sink in sinks for kind in sink)}:
            raise UsageError("--homeassistant has no broker to publish to: add `--mqtt mqtt://HOST`")
        given.setdefault("mqtt", {})["homeassistant"] = True
    merged = [{kind: options | given.pop(kind, {}) for kind, options in sink.items()} for sink in sinks]
    return (*merged, *({kind: options} for kind, options in given.items()))
