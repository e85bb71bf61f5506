"""Choose where `build-engine` takes its pictures from, or say what to type."""

import logging
import shlex
import sys
from typing import TYPE_CHECKING

import click

from mnv2_edge.errors import UsageError
from mnv2_edge.redaction import redact, refuse_password_in_argv

if TYPE_CHECKING:
    from mnv2_engines.facts import EngineKind, Precision

__all__ = ["choose_pictures"]

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
