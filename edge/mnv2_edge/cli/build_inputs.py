"""Inputs of `build-engine`: the network by name, the pictures, and the device that it builds for."""

import logging
import shlex
import sys
from typing import TYPE_CHECKING

import click

from mnv2_edge.errors import UsageError
from mnv2_edge.redaction import redact, refuse_password_in_argv

if TYPE_CHECKING:
    from mnv2_engines.backends.format import Precision
from pathlib import Path

from mnv2_edge.environment import Environment
from mnv2_engines.errors import BackendUnavailableError

__all__ = [
    "choose_pictures",
    "choose_precision",
    "choose_target",
    "find_model",
    "is_catalogue_name",
    "require_ending",
]

_log = logging.getLogger(__name__)


def choose_pictures(
    calibration: str | None, target: str, precision: "Precision", *, frames: int, validated: bool
) -> str | None:
    """Return the URI of pictures besides those of --validation; None where there are none, or none are of use.

    int8 engines are calibrated on them; others are verified with them, unless there are others for that (`validated`),
    or an engine is the float network itself. Raises UsageError when int8 has none, or the URI holds a password.
    """
    from mnv2_engines.backends.registry import require_building

    if precision == "int8" and calibration is None:
        calibration = _offer_camera(frames)
    elif calibration is not None and precision in require_building(target).exact:
        _log.warning("%s needs no pictures: --calibration %s is not used", precision, redact(calibration))
        calibration = None
    elif calibration is not None and precision != "int8" and validated:
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


def choose_target(wanted: str, precision: "Precision | None", output: Path | None, root: Path = Path("/")) -> str:
    """Return the target: the one named, else what output or precision imply, else what this machine is made for.

    When that cannot be built here, BackendUnavailableError says why: an engine for the CPU, silently, is not what
    somebody bought a Jetson for.
    """
    from mnv2_engines.backends.registry import find_format, formats

    if wanted != "auto":
        return wanted
    offers = {form.name: form.building for form in formats() if form.building is not None}
    if output is not None:
        for name in offers:
            if output.suffix in find_format(name).suffixes:
                return name
    ranks = {name: rank for name, building in offers.items() if (rank := building.preference(root)) > 0}
    able = [name for name in ranks if precision is None or precision in offers[name].precisions]
    first, *others = sorted(able or ranks, key=lambda name: -ranks[name])
    if not others:
        return first
    title = find_format(first).title
    try:
        offers[first].require()
    except BackendUnavailableError as exc:
        raise BackendUnavailableError(
            f"this machine is made for {title}, but {exc}; or build without it, with --target {others[0]}"
        ) from exc
    _log.info("this machine is made for %s: building for that; --target %s builds without it", title, others[0])
    return first


def choose_precision(target: str, wanted: "Precision | None") -> "Precision":
    """Return the precision: the target's usual one unless one is named. Raises UsageError for another target's."""
    from mnv2_engines.backends.registry import buildable_formats, find_format, require_building

    offered = require_building(target).precisions
    if wanted is None:
        return offered[0]
    if wanted not in offered:
        others = [name for name, building in buildable_formats().items() if wanted in building.precisions]
        elsewhere = f", or --target {others[0]} for {wanted}" if others else ""
        raise UsageError(
            f"--precision {wanted} is not one of {find_format(target).title}'s: expected {' or '.join(offered)}"
            f"{elsewhere}"
        )
    return wanted


def require_ending(target: str, output: Path | None) -> None:
    """Raise UsageError for an output that could not be told from another kind of engine by its name."""
    from mnv2_engines.backends.registry import find_format

    endings = find_format(target).suffixes
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
