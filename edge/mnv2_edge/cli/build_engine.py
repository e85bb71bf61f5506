"""`mnv2-edge build-engine`: turn an ONNX network into a verified engine for this device."""

import dataclasses
import json
import logging
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from mnv2_edge.cli.common import json_option
from mnv2_edge.cli.types import Triple, preprocess_options
from mnv2_edge.environment import Environment, read_environment
from mnv2_edge.errors import AccessError, UsageError
from mnv2_edge.exit_status import ExitStatus
from mnv2_edge.redaction import redact, refuse_password_in_argv
from mnv2_engines.errors import BackendUnavailableError

if TYPE_CHECKING:
    from mnv2_engines.build_request import BuildRequest, BuildResult
    from mnv2_engines.preprocess import ColorOrder
    from mnv2_engines.sidecar import Sidecar, TaskName
    from mnv2_engines.store import Store
    from mnv2_engines.verification import Limits

__all__ = ["command"]

_log = logging.getLogger(__name__)

_FRAMES: Final = 125
"""100 to calibrate on, beyond which accuracy hardly grows, and 25 held back to verify with."""

_EPILOG = """\b
Examples:
  mnv2-edge build-engine --calibration photos/            ImageNet's 1000 classes
  mnv2-edge build-engine signs.onnx --calibration photos/
  mnv2-edge build-engine signs.onnx --calibration 0 --calibration-frames 200 --name door
  mnv2-edge build-engine bird.onnx --calibration photos/ --validation others/ \\
      --labels bird.txt --report bird.html

\b
Colour order, mean, std, resize, task and labels may stand in MODEL.yaml beside
MODEL.onnx; a flag wins. Without --validation every fifth picture is held back from
calibration, to verify with. docs/build-engine.md tells more, docs/engines.md about
the store.
"""


@dataclass(frozen=True, slots=True)
class _Flags:
    """What was given on the command line; None where nothing was."""

    model: str | None
    name: str | None
    target: str
    precision: str | None
    calibration: str | None
    calibration_frames: int
    validation: Path | None
    labels: Path | None
    task: "TaskName | None"
    mean: Triple | None
    std: Triple | None
    color: "ColorOrder | None"
    resize: str | None
    output: Path | None
    report: Path | None
    min_sqnr: float | None
    min_agreement: float | None
    accept_loss: bool
    threads: int | None
    as_json: bool


@click.command(epilog=_EPILOG)
@click.argument("model", required=False, metavar="[MODEL.onnx|NAME]")
@click.option("--name", help="What the store and records call the engine. [default: the model's name]")
@click.option(
    "--target", type=click.Choice(["auto", "litert", "tensorrt"]), default="auto", help="auto is litert. [auto]"
)
@click.option("--precision", type=click.Choice(["int8", "fp16", "fp32"]), help="[default: int8]")
@click.option("--calibration", metavar="URI", help="Pictures like the camera's: a folder, a video, or a camera.")
@click.option(
    "--calibration-frames",
    type=click.IntRange(min=2),
    default=_FRAMES,
    show_default=True,
    metavar="N",
    help="Take at most N of them, spread over all.",
)
@click.option("--validation", type=click.Path(path_type=Path), metavar="DIR", help="Verify on these pictures.")
@click.option("--labels", type=click.Path(path_type=Path), metavar="FILE", help="Names of the classes; or imagenet.")
@click.option("--task", type=click.Choice(["classify", "detect", "segment"]), help="What the outputs mean.")
@preprocess_options
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE.tflite", help="Write it there instead of to the store."
)
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE.html", help="Write what was measured.")
@click.option("--min-sqnr", type=float, metavar="DB", help="Fail below it, for any output.")
@click.option("--min-agreement", type=click.FloatRange(0, 1), metavar="F", help="Fail below this share of equal top-1.")
@click.option("--accept-loss", is_flag=True, help="Install it although it fails, and record that.")
@click.option("--threads", type=click.IntRange(1, 64), help="CPU threads for the build. [default: all cores]")
@json_option
def command(**flags: Any) -> int:  # noqa: ANN401 - click's values, typed by _Flags
    """Turn an ONNX network into an engine for this device, and verify it.

    Without MODEL.onnx the catalogue's default is built, mobilenet-v2; NAME is another one of `mnv2-edge models list`.
    They are pulled when they are not here.

    Compiles to int8, compares with the float network on pictures that calibration never saw, and installs the
    engine in the store, where `mnv2-edge run --model NAME` finds it; with --output it becomes FILE.tflite and its
    manifest FILE.json. An engine that loses too much is put aside: exit status 1.
    """
    return _build(_Flags(**flags))


def _build(flags: _Flags) -> int:
    from mnv2_engines.store import Store

    environment = read_environment(os.environ)
    model, flags = _choose_model(flags, environment)
    name = _choose_name(flags.name or model.stem)
    store = None if flags.output else Store(environment.home)
    _check_places(flags, model, store)
    precision = _choose_precision(flags)
    calibration = flags.calibration
    if precision == "int8" and calibration is None:
        calibration = _offer_camera(flags.calibration_frames)
    elif precision == "fp32" and calibration is not None:
        _log.warning("fp32 needs no pictures: --calibration %s is not used", redact(calibration))
        calibration = None
    if calibration is not None:
        refuse_password_in_argv(calibration)

    from mnv2_edge.cli.build_memory import return_memory_early
    from mnv2_edge.cli.build_progress import show_progress
    from mnv2_edge.cli.build_summary import summarise, to_json
    from mnv2_edge.engine_building import BuildOptions, prepare_build
    from mnv2_engines.build import build_engine
    from mnv2_engines.store.building import build_stored

    options = BuildOptions(
        model=model,
        output=flags.output or Path(name),
        name=name,
        precision=precision,
        calibration=calibration,
        calibration_frames=flags.calibration_frames,
        validation=flags.validation,
        stated=_state(flags),
        limits=_limits(flags),
        accept_loss=flags.accept_loss,
        threads=flags.threads or len(os.sched_getaffinity(0)),
    )
    return_memory_early()
    with show_progress() as progress:
        prepared = prepare_build(options, environment, progress)
        if store is None:
            result = build_engine(prepared.request, progress)
        else:
            result = build_stored(store, prepared.request, progress)
    if flags.report is not None:
        _write_report(flags.report, prepared.request, result)
    if flags.as_json:
        click.echo(json.dumps(to_json(result, prepared.warnings), indent=2))
    else:
        click.echo(summarise(result, flags.report, run=str(result.path) if store is None else name))
    result.require_installed()
    return ExitStatus.DONE


def _choose_model(flags: _Flags, environment: Environment) -> tuple[Path, _Flags]:
    """Return the ONNX file, and the flags with the pictures that were agreed on before anything was fetched."""
    from mnv2_edge.cli.named_model import find_model, is_catalogue_name

    if flags.target == "tensorrt":
        raise BackendUnavailableError(
            "TensorRT engines cannot be built by this version: use --target litert, or leave --target out"
        )
    if flags.model is not None and not is_catalogue_name(flags.model, environment):
        return Path(flags.model).expanduser(), flags
    calibration = flags.calibration
    if _choose_precision(flags) == "int8" and calibration is None:
        calibration = _offer_camera(flags.calibration_frames)
    return find_model(flags.model, environment), dataclasses.replace(flags, calibration=calibration)


def _check_places(flags: _Flags, model: Path, store: "Store | None") -> None:
    """Find out, as far as that is cheap, that nothing could be written to where it shall go."""
    if flags.output is not None and flags.output.suffix != ".tflite":
        raise UsageError(
            f"--output {flags.output} does not end in .tflite: its manifest is named after it, ending in .json"
        )
    if not os.access(model, os.R_OK):
        return  # the compiler says why: it knows what a model is
    if store is not None:
        store.require_writable()
    for target in (flags.output, flags.report):
        if target is None:
            continue
        folder = target.parent
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder} for {target.name}: make it with `mkdir -p {folder}`")
        if not os.access(folder, os.W_OK):
            raise AccessError(
                f"{folder} may not be written by this user: choose another place with --output FILE.tflite"
            )


def _choose_precision(flags: _Flags) -> Literal["int8", "fp32"]:
    if flags.precision == "fp16":
        raise UsageError("--precision fp16 is TensorRT's: for LiteRT expected int8 (a third of the time) or fp32")
    return "fp32" if flags.precision == "fp32" else "int8"


def _choose_name(name: str) -> str:
    from mnv2_engines.store.names import is_name

    if not is_name(name):
        raise UsageError(
            f"name {name[:80]!r} cannot stand in records and topics: expected at most 64 letters, digits, . _ - "
            "without the ending of a file (--name)"
        )
    return name


def _state(flags: _Flags) -> "Sidecar":
    from mnv2_engines.preprocess import ResizePolicy
    from mnv2_engines.sidecar import Sidecar

    return Sidecar(
        color=flags.color,
        mean=flags.mean,
        std=flags.std,
        resize=None if flags.resize is None else ResizePolicy.parse(flags.resize),
        task=flags.task,
        labels_file=flags.labels,
    )


def _limits(flags: _Flags) -> "Limits":
    from mnv2_engines.verification import Limits

    default = Limits()
    return Limits(
        sqnr_db=default.sqnr_db if flags.min_sqnr is None else flags.min_sqnr,
        agreement=default.agreement if flags.min_agreement is None else flags.min_agreement,
    )


def _offer_camera(frames: int) -> str:
    """Return the first camera's URI when somebody at a terminal agrees to it. Raises UsageError with the command."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        question = f"An int8 engine needs pictures. Take {frames} with the first camera now? Show it what it will see"
        if click.confirm(question, default=False, err=True):
            return "0"
    raise UsageError(
        f"an int8 engine is calibrated on pictures of what the camera will see, never on random data: "
        f"`{_typed()} --calibration 0 --calibration-frames {frames}` takes them with the first camera, "
        f"--calibration FOLDER from a folder or video"
    )


def _typed() -> str:
    """Return the command as it was typed, without the number of frames, ready to be pasted."""
    context = click.get_current_context()
    words = ["mnv2-edge", "build-engine"]
    for param in context.command.params:
        name = param.name or ""
        if context.get_parameter_source(name) != click.core.ParameterSource.COMMANDLINE or name == "calibration_frames":
            continue
        value = context.params.get(name)
        if isinstance(param, click.Argument):
            words.append(str(value))
        elif isinstance(param, click.Option):
            words.append(param.opts[-1])
            if not param.is_flag:
                words.append(",".join(f"{part:g}" for part in value) if isinstance(value, tuple) else str(value))
    return shlex.join(words)


def _write_report(path: Path, request: "BuildRequest", result: "BuildResult") -> None:
    from mnv2_engines.report import render_report

    try:
        path.write_text(render_report(request, result), encoding="utf-8")
    except OSError as exc:
        _log.warning("the report %s cannot be written: %s", path, exc.strerror)
