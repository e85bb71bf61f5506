"""`mnv2-edge cameras test`: try one camera out."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnv2_edge.cli.common import json_option
from mnv2_edge.cli.stopping import stop_on_signals
from mnv2_edge.environment import read_environment
from mnv2_edge.exit_status import ExitStatus
from mnv2_edge.redaction import read_secret, redact, refuse_password_in_argv
from mnv2_engines.printable import printable

if TYPE_CHECKING:
    from mnv2_edge.camera_test import CameraReport
    from mnv2_edge.frames import Frame

__all__ = ["test"]


@click.command(
    epilog="""\b
Examples:
  mnv2-edge cameras test 0
  mnv2-edge cameras test picamera:0?size=1280x720 --seconds 10
  MNV2_EDGE_CAMERA_PASSWORD=... mnv2-edge cameras test rtsp://ann@camera.local/stream2
"""
)
@click.argument("uri")
@click.option("--seconds", type=click.FloatRange(0.5, 3600), default=5.0, help="How long to watch. [default: 5]")
@click.option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("mnv2-edge-camera.png"),
    metavar="FILE",
    help="Where the last picture goes. [default: mnv2-edge-camera.png]",
)
@json_option
def test(*, uri: str, seconds: float, save: Path, as_json: bool) -> int:
    """Watch a camera for some seconds: rate, jitter, drops, time stamps; and save a picture.

    URI is what --camera takes. The exit status is 1 when something is not as it should be.
    """
    from contextlib import closing

    from mnv2_edge.camera_test import examine_source
    from mnv2_edge.sources.opening import open_source

    refuse_password_in_argv(uri)
    secret = read_secret(None, read_environment(os.environ).camera_password)
    with stop_on_signals() as stop, closing(open_source(uri, camera_id="camera", secret=secret)) as source:
        report, last = examine_source(source, seconds, stop)
    if last is not None:
        _save(last, save)
    if as_json:
        saved = str(save) if last is not None else None
        click.echo(json.dumps({**asdict(report), "doubts": report.doubts, "saved": saved}, indent=2))
    else:
        _print(report, redact(uri), save if last is not None else None)
    return ExitStatus.CHECK_FAILED if report.doubts else ExitStatus.DONE


def _print(report: CameraReport, uri: str, saved: Path | None) -> None:
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
        click.echo(f"  picture {saved}")
    for doubt in report.doubts:
        click.echo(f"  doubt   {printable(doubt)}")


def _save(frame: Frame, path: Path) -> None:
    import cv2

    from mnv2_edge.errors import UsageError

    pixels = frame.pixels if frame.color == "BGR" else frame.pixels[..., ::-1]
    suffix = path.suffix or ".png"
    try:
        done, data = cv2.imencode(suffix, pixels)
    except cv2.error as exc:
        raise UsageError(f"{path} is no picture's name: expected one that ends in .png or .jpg") from exc
    if done:
        try:
            path.write_bytes(data.tobytes())
        except OSError as exc:
            raise UsageError(f"{path} cannot be written: {exc.strerror}; --save FILE names another place") from exc
