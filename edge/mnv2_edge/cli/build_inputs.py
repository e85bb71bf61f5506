"""Inputs of `build-engine`: the network by name, the pictures, and the device that it builds for."""

import logging
import shlex
import sys
from typing import TYPE_CHECKING

import click

from mnv2_edge.errors import UsageError
from mnv2_edge.redaction import redact, refuse_password_in_argv

if TYPE_CHECKING:
    from mnv2_engines.engine.facts import EngineKind, Precision
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from mnv2_edge.environment import Environment
from mnv2_engines.errors import BackendUnavailableError

__all__ = [
    "TargetChoice",
    "choose_pictures",
    "choose_precision",
    "choose_target",
    "find_model",
    "is_catalogue_name",
    "require_ending",
]

_log = logging.getLogger(__name__)


def choose_pictures(
    calibration: str | None, target: "EngineKind", precision: "Precision", *, frames: int, validated: bool
) -> str | None:
    """Return the URI of pictures besides those of --validation; None where there are none, or none are of use.

    LiteRT's int8 engines are calibrated on them; TensorRT's verify with them, unless there are others for that
    (`validated`). Raises UsageError when int8 has none, or the URI holds a password.
    """
    if precision == "int8" and calibration is None:
        calibration = _offer_camera(frames)
    elif calibration is not None and target == "litert" and precision == "fp32":
        _log.warning("fp32 needs no pictures: --calibration %s is not used", redact(calibration))
        calibration = None
    elif calibration is not None and target == "tensorrt" and validated:
        _log.warning("%s needs no calibration: --calibration %s is not used", precision, redact(calibration))
        calibration = None
    if calibration is not None:
        refuse_password_in_argv(calibration)
    return calibration


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


TargetChoice: TypeAlias = Literal["auto", "litert", "tensorrt"]


def choose_target(
    wanted: TargetChoice, precision: "Precision | None", output: Path | None, root: Path = Path("/")
) -> "EngineKind":
    """Return the target: the one that is named, else what output or int8 imply, else what this machine is.

    On a Jetson that is TensorRT. When it cannot be imported there, BackendUnavailableError says why: an engine for the
    CPU, silently, is not what somebody bought a Jetson for.
    """
    from mnv2_engines.engine.rebuild_hint import PLAN_SUFFIXES
    from mnv2_engines.tensorrt.jetson import is_jetson
    from mnv2_engines.tensorrt.module import import_tensorrt

    if wanted != "auto":
        return wanted
    if output is not None and output.suffix in PLAN_SUFFIXES:
        return "tensorrt"
    if output is not None or precision == "int8":
        return "litert"
    if not is_jetson(root):
        return "litert"
    try:
        import_tensorrt(root)
    except BackendUnavailableError as exc:
        raise BackendUnavailableError(
            f"this is a Jetson, but {exc}; or build for its CPU with --target litert"
        ) from exc
    _log.info("this is a Jetson: building for TensorRT; --target litert builds for its CPU")
    return "tensorrt"


def choose_precision(target: "EngineKind", wanted: "Precision | None") -> "Precision":
    """Return the precision: the target's usual one unless one is named. Raises UsageError for another target's."""
    if target == "tensorrt":
        if wanted == "int8":
            raise UsageError("--precision int8 is LiteRT's: for TensorRT expected fp16 or fp32")
        return wanted or "fp16"
    if wanted == "fp16":
        raise UsageError("--precision fp16 is TensorRT's: for LiteRT expected int8 (a third of the time) or fp32")
    return wanted or "int8"


def require_ending(target: "EngineKind", output: Path | None) -> None:
    """Raise UsageError for an output that could not be told from another kind of engine by its name."""
    from mnv2_engines.engine.rebuild_hint import PLAN_SUFFIXES

    endings = (".tflite",) if target == "litert" else tuple(sorted(PLAN_SUFFIXES, reverse=True))
    if output is not None and output.suffix not in endings:
        raise UsageError(
            f"--output {output} does not end in {' or '.join(endings)}: its manifest is named after it, ending in .json"
        )


def is_catalogue_name(word: str, environment: Environment) -> bool:
    """Return whether `word` means a model of the catalogue: it has no folder and no ending, and is not a file."""
    from mnv2_edge.inference.models import known_models, model_home
    from mnv2_engines.store.names import is_name

    if not is_name(word) or Path(word).exists():
        return False
    return word in known_models(model_home(environment)).models


def find_model(name: str | None, environment: Environment) -> Path:
    """Return the ONNX file of a model of the catalogue, its default when none is named, pulled when it is not here.

    Raises UsageError for a model that needs no building, DownloadError that says what to do when it does not come, and
    what else `pull_model` raises.
    """
    from mnv2_edge.cli.ui.progress import show_downloads
    from mnv2_edge.inference.models import known_models, mapped_store_errors, model_home
    from mnv2_engines.catalogue import PullOptions, installed_model, pull_model
    from mnv2_engines.errors import DownloadError

    home = model_home(environment)
    known = known_models(home)
    chosen = name or known.default
    entry = known.find(chosen)
    if entry.becomes != ".onnx":
        raise UsageError(
            f"{chosen} is a TFLite file already, of which no engine is built: `mnv2-edge models pull {chosen}` brings "
            f"it, and `mnv2-edge run --model {chosen}` runs it"
        )
    path = installed_model(chosen, entry, home)
    if path is not None:
        return path
    try:
        with mapped_store_errors(home), show_downloads() as progress:
            pulled = pull_model(chosen, entry, home, PullOptions(progress=progress))
    except DownloadError as exc:
        named = "" if name else f"no model is named, and the catalogue's {chosen} is not here: "
        raise DownloadError(
            f"{named}{exc} of `mnv2-edge models pull {chosen}`; or name an ONNX file: mnv2-edge build-engine MODEL.onnx"
        ) from exc
    for note in (*pulled.notes, *([entry.note] if entry.note else [])):
        click.echo(f"note: {note}", err=True)
    return pulled.path
