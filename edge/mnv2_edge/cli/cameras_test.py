"""`mnv2-edge cameras test`: a trial of one camera."""

from __future__ import annotations

import itertools
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mnv2_edge.cli.ui.common import json_option
from mnv2_edge.cli.ui.signals import stop_on_signals
from mnv2_edge.environment import read_environment
from mnv2_edge.errors import AccessError, ExitStatus, UsageError
from mnv2_edge.redaction import read_secret, redact, redact_json, refuse_password_in_argv
from mnv2_engines.files.disk_errors import disk_error
from mnv2_engines.files.regular_file import require_replaceable
from mnv2_engines.printable import printable

if TYPE_CHECKING:
    from mnv2_edge.frames import Frame
    from mnv2_edge.sources.trial import CameraReport

__all__ = ["test"]

_NAME: Final = "mnv2-edge-camera.png"


@dataclass(frozen=True)
class _Saved:
    path: Path
    replaced: bool


@click.command(
    epilog="""\b
Examples:
  mnv2-edge cameras test 0
  mnv2-edge cameras test 'picamera:0?size=1280x720' --seconds 10
  MNV2_EDGE_CAMERA_PASSWORD=... mnv2-edge cameras test rtsp://ann@camera.local/stream2
"""
)
@click.argument("uri")
@click.option("--seconds", type=click.FloatRange(0.5, 3600), default=5.0, help="How long to watch. [default: 5]")
@click.option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the last picture goes; an existing file is overwritten, with a message. "
    "[default: mnv2-edge-camera.png, or the next free number]",
)
@json_option
def test(*, uri: str, seconds: float, save: Path | None, as_json: bool) -> int:
    """Watch a camera for some seconds: rate, jitter, drops, time stamps; and save a picture.

    URI is what --camera takes. The exit status is 1 when something is not as it should be.
    """
    from contextlib import closing

    from mnv2_edge.sources.open import open_source
    from mnv2_edge.sources.trial import examine_source

    refuse_password_in_argv(uri)
    secret = read_secret(None, read_environment(os.environ).camera_password)
    with stop_on_signals() as stop, closing(open_source(uri, camera_id="camera", secret=secret)) as source:
        report, last = examine_source(source, seconds, stop)
    saved = None if last is None else _save(last, save)
    if as_json:
        picture = (
            {"saved": str(saved.path), "replaced": saved.replaced} if saved else {"saved": None, "replaced": False}
        )
        click.echo(redact_json({**asdict(report), "doubts": report.doubts, **picture}, indent=2))
    else:
        _print(report, redact(uri), saved)
    return ExitStatus.CHECK_FAILED if report.doubts else ExitStatus.DONE


def _print(report: CameraReport, uri: str, saved: _Saved | None) -> None:
    click.echo(
        f"{uri}: {report.frames} frames of {report.width}x{report.height} {report.color} in {report.seconds:.1f} s"
    )
    click.echo(
        f"  rate    {report.rate:.2f} frames/s, jitter {report.jitter_ms:.1f} ms, "
        f"longest wait {report.longest_ms:.0f} ms"
    )
    click.echo(f"  drops   {report.missed} passed over, {report.skipped} could not be decoded")
    click.echo(f"  stamps  {report.age_ms:.1f} ms old on arrival, {report.backward} out of order")
    if saved is not None:
        click.echo(f"  picture {saved.path}{' (written over)' if saved.replaced else ''}")
    for doubt in report.doubts:
        click.echo(f"  doubt   {printable(redact(doubt))}")


def _save(frame: Frame, wanted: Path | None) -> _Saved:
    """Write the picture to where the user wants it, else to a file that is not there yet."""
    path = wanted or _free_path()
    data = _encode(frame, path)
    try:
        require_replaceable(path)
        replaced = path.exists()
        with path.open("xb" if wanted is None else "wb") as file:
            file.write(data)
    except PermissionError as exc:
        raise AccessError(f"{path} may not be written by this user; --save FILE names another place") from exc
    except OSError as exc:
        trouble = disk_error(exc, f"{path} cannot be written", "--save FILE names another place")
        if trouble is not None:
            raise trouble from exc
        raise UsageError(f"{path} cannot be written: {exc.strerror}; --save FILE names another place") from exc
    return _Saved(path, replaced)


def _free_path() -> Path:
    name = Path(_NAME)
    numbered = (name.with_stem(f"{name.stem}-{number}") for number in itertools.count(2))
    return next(path for path in itertools.chain([name], numbered) if not path.exists())


def _encode(frame: Frame, path: Path) -> bytes:
    import cv2

    pixels = frame.pixels if frame.color == "BGR" else frame.pixels[..., ::-1]
    try:
        done, data = cv2.imencode(path.suffix or ".png", pixels)
    except cv2.error as exc:
        raise UsageError(f"{path} is not a picture's name: expected one that ends in .png or .jpg") from exc
    if not done:
        raise UsageError(f"this OpenCV writes no {path.suffix}: expected a name that ends in .png or .jpg")
    return bytes(data)
