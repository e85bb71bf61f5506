"""`mnv2-edge build-engine`: turn an ONNX network into a verified engine for this device."""

import json
import logging
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mnv2_edge.cli.build_inputs import choose_pictures, choose_precision, choose_target, require_ending
from mnv2_edge.cli.ui.builder_options import builder_options, read_builder_options
from mnv2_edge.cli.ui.common import json_option
from mnv2_edge.cli.ui.parameters import Triple, max_megapixels_option, preprocess_options
from mnv2_edge.cli.ui.report_file import require_free_place, write_report
from mnv2_edge.environment import read_environment
from mnv2_edge.errors import AccessError, ExitStatus, UsageError
from mnv2_engines.backends.registry import buildable_formats, require_building
from mnv2_engines.files.disk_errors import read_only_error

if TYPE_CHECKING:
    from mnv2_engines.backends.format import Precision
    from mnv2_engines.building.request import BuildRequest, BuildResult
    from mnv2_engines.building.verification import AccuracyLimits
    from mnv2_engines.engine.sidecar import Sidecar, TaskName
    from mnv2_engines.preprocessing.preprocess import ColorOrder
    from mnv2_engines.store import Store

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
  mnv2-edge build-engine bird.onnx --target tensorrt --validation photos/

\b
Colour order, mean, std, resize, task and labels may stand in MODEL.yaml beside
MODEL.onnx; a flag wins. Without --validation every fifth picture is held back from
calibration, to verify with. docs/build-engine.md tells more, docs/engines.md about
the store.
"""


@dataclass(frozen=True, slots=True)
class _Flags:
    """Flags given on the command line; None for each that was not given."""

    model: str | None
    name: str | None
    target: str
    precision: "Precision | None"
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
    private: bool
    threads: int | None
    max_megapixels: float
    as_json: bool
    builder: dict[str, object]
    """The flags of builders."""


@click.command(epilog=_EPILOG)
@click.argument("model", required=False, metavar="[MODEL.onnx|NAME]")
@click.option("--name", help="What the store and records call the engine. [default: the model's name]")
@click.option(
    "--target",
    type=click.Choice(["auto", *buildable_formats()]),
    default="auto",
    help="auto is what this machine is made for. [auto]",
)
@click.option(
    "--precision",
    type=click.Choice(["int8", "fp16", "fp32"]),
    help="[default: " + ", ".join(f"{one.precisions[0]} for {name}" for name, one in buildable_formats().items()) + "]",
)
@click.option(
    "--calibration",
    metavar="URI",
    help="Pictures like the camera's: a folder, a video, or a camera. Only int8 calibrates, others verify with them.",
)
@click.option(
    "--calibration-frames",
    type=click.IntRange(min=2),
    default=_FRAMES,
    show_default=True,
    metavar="N",
    help="Take at most N of them, spread over all.",
)
@click.option("--validation", type=click.Path(path_type=Path), metavar="DIR", help="Verify on these pictures.")
@click.option(
    "--labels",
    type=click.Path(path_type=Path, readable=False),
    metavar="FILE",
    help="Names of the classes; or imagenet.",
)
@click.option("--task", type=click.Choice(["classify", "detect", "segment"]), help="What the outputs mean.")
@preprocess_options
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write FILE, with the ending of its target, instead of to the store.",
)
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE.html", help="Write what was measured.")
@click.option("--min-sqnr", type=float, metavar="DB", help="Fail below it, for any output.")
@click.option("--min-agreement", type=click.FloatRange(0, 1), metavar="F", help="Fail below this share of equal top-1.")
@click.option("--accept-loss", is_flag=True, help="Install the engine although verification failed, and record that.")
@click.option(
    "--private",
    is_flag=True,
    help="Keep no picture: none in the store, the self-test or the report. To build again then takes pictures again.",
)
@builder_options
@click.option("--threads", type=click.IntRange(1, 64), help="CPU threads for the build. [default: all cores]")
@max_megapixels_option
@json_option
def command(**flags: Any) -> int:  # noqa: ANN401 - click's values, typed by _Flags
    """Turn an ONNX network into an engine for this device, and verify it.

    Without MODEL.onnx the catalogue's default is built, mobilenet-v2; NAME is another one of `mnv2-edge models list`.
    They are pulled when they are not here.

    Compiles to int8 for the CPU (LiteRT), or builds an FP16 plan for a Jetson's GPU (TensorRT, on the Jetson itself),
    compares with the float network on pictures that calibration never saw, and installs the engine in the store, where
    `mnv2-edge run --model NAME` finds it; with --output it becomes that file and its manifest FILE.json. An engine that
    loses too much is put aside: exit status 1.
    """
    names = {field.name for field in fields(_Flags)}
    builder = {name: flags.pop(name) for name in set(flags) - names}
    return _build(_Flags(**flags, builder=builder))


def _build(flags: _Flags) -> int:
    from mnv2_edge.cli.build_inputs import find_model, is_catalogue_name
    from mnv2_engines.store import Store

    environment = read_environment(os.environ)
    store = None if flags.output else Store(environment.home)
    target = choose_target(flags.target, flags.precision, flags.output)
    precision = choose_precision(target, flags.precision)
    is_named = flags.model is None or is_catalogue_name(flags.model, environment)
    path = None if flags.model is None or is_named else Path(flags.model).expanduser()
    _check_flags(flags, path, target)
    builder = read_builder_options(target, flags.builder)
    _check_places(flags, path, store)
    require_building(target).require()  # before pictures are taken for nothing
    calibration = choose_pictures(
        flags.calibration, target, precision, frames=flags.calibration_frames, validated=flags.validation is not None
    )
    model = path or find_model(flags.model, environment)
    name = flags.name or model.stem

    from mnv2_edge.building.request import BuildOptions, prepare_build
    from mnv2_edge.cli.text.build import summarise, to_json
    from mnv2_edge.cli.ui.progress import show_progress
    from mnv2_edge.host.memory import return_memory_early
    from mnv2_edge.sources.decoding.limits import PictureLimits
    from mnv2_engines.building.build import build_engine
    from mnv2_engines.store.build import build_stored

    options = BuildOptions(
        model=model,
        output=flags.output or Path(name),
        name=name,
        target=target,
        precision=precision,
        calibration=calibration,
        calibration_frames=flags.calibration_frames,
        validation=flags.validation,
        stated=_state(flags),
        limits=_limits(flags, precision),
        accept_loss=flags.accept_loss,
        private=flags.private,
        options=builder,
        threads=flags.threads or len(os.sched_getaffinity(0)),
        picture_limits=PictureLimits(flags.max_megapixels),
    )
    return_memory_early()
    with show_progress() as progress:
        prepared = prepare_build(options, environment, progress)
        if store is None:
            result = build_engine(prepared.request, progress)
        else:
            result = build_stored(store, prepared.request, progress)
    if flags.as_json:
        click.echo(json.dumps(to_json(result, prepared.warnings), indent=2))
    else:
        click.echo(summarise(result, flags.report, run=str(result.path) if store is None else name))
    if flags.report is not None:
        _write_report(flags.report, prepared.request, result)
    result.require_installed()
    return ExitStatus.DONE


def _check_places(flags: _Flags, model: Path | None, store: "Store | None") -> None:
    """Find out, as far as that is cheap, that nothing could be written to where it shall go."""
    if model is not None and not os.access(model, os.R_OK):
        return  # the compiler says why: it knows what a model is
    if store is not None:
        store.require_writable()
    for target in (flags.output, flags.report):
        if target is None:
            continue
        require_free_place(target)
        folder = target.parent
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder} for {target.name}: make it with `mkdir -p {folder}`")
        if not os.access(folder, os.W_OK):
            elsewhere = "choose another place with --output FILE"
            closed = AccessError(f"{folder} may not be written by this user: {elsewhere}")
            raise read_only_error(folder, f"{folder} cannot be written", elsewhere) or closed


def _check_flags(flags: _Flags, path: Path | None, target: str) -> None:
    name = flags.name or (path.stem if path else None)
    if name is not None:
        _require_name(name)
    require_ending(target, flags.output)


def _require_name(name: str) -> None:
    from mnv2_engines.store.names import is_name

    if not is_name(name):
        raise UsageError(
            f"name {name[:80]!r} cannot stand in records and topics: expected at most 64 letters, digits, . _ - "
            "without the ending of a file (--name)"
        )


def _state(flags: _Flags) -> "Sidecar":
    from mnv2_engines.engine.sidecar import Sidecar
    from mnv2_engines.preprocessing.preprocess import ResizePolicy

    return Sidecar(
        color=flags.color,
        mean=flags.mean,
        std=flags.std,
        resize=None if flags.resize is None else ResizePolicy.parse(flags.resize),
        task=flags.task,
        labels_file=flags.labels,
    )


def _limits(flags: _Flags, precision: "Precision") -> "AccuracyLimits":
    from mnv2_engines.building.verification import AccuracyLimits

    default = AccuracyLimits.of(precision)
    return AccuracyLimits(
        sqnr_db=default.sqnr_db if flags.min_sqnr is None else flags.min_sqnr,
        agreement=default.agreement if flags.min_agreement is None else flags.min_agreement,
    )


def _write_report(path: Path, request: "BuildRequest", result: "BuildResult") -> None:
    from mnv2_engines.report import render_report

    write_report(path, render_report(request, result))
