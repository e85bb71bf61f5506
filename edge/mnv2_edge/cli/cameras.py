"""`mnv2-edge cameras`: the cameras, and what to type for each."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from mnv2_edge.cli.cameras_test import test
from mnv2_edge.cli.ui.common import json_option
from mnv2_edge.cli.ui.tables import print_table
from mnv2_edge.redaction import redact
from mnv2_engines.printable import printable

if TYPE_CHECKING:
    from mnv2_edge.cameras import Camera
    from mnv2_edge.cameras.ribbon import RibbonCamera, RibbonCameras

__all__ = ["command"]


@click.group(
    invoke_without_command=True,
    subcommand_metavar="[test URI]",
    epilog="""\b
Examples:
  mnv2-edge cameras
  mnv2-edge cameras test 0
  mnv2-edge run --camera 0
  mnv2-edge cameras --json | jq -r '.[] | select(.usable) | .stable'
""",
)
@click.option("--all", "show_all", is_flag=True, help="Show the nodes that are not cameras too, and why.")
@json_option
@click.pass_context
def command(context: click.Context, *, show_all: bool, as_json: bool) -> None:
    """List the cameras that can be opened, and what to type for each.

    The first column is the value for --camera. Numbers and /dev/videoN change when cameras are plugged in another
    order; the stable path does not, and --camera takes it too. Ribbon cameras come last: libcamera's with its id for a
    node and the sensor's sizes, a Jetson's as far as the kernel knows them.
    """
    if context.invoked_subcommand is not None:
        return
    from mnv2_edge.cameras import list_cameras
    from mnv2_edge.cameras.ribbon import list_ribbons

    cameras = list_cameras()
    ribbons = list_ribbons(cameras)
    usable = [camera for camera in cameras if camera.usable]
    if as_json:
        nodes = [_as_json(camera) for camera in (cameras if show_all else usable)]
        named = {entry["camera"] for entry in nodes}
        others = [_ribbon_as_json(ribbon) for ribbon in ribbons.cameras if ribbon.camera not in named]
        click.echo(json.dumps([*nodes, *others], indent=2))
    elif show_all and cameras:
        print_table(
            ("camera", "name", "node", "stable path", "formats or reason"),
            [(*_cells(camera), camera.hidden or "; ".join(camera.formats) or "?") for camera in cameras],
        )
    elif usable or ribbons.cameras:
        print_table(
            ("camera", "name", "node", "stable path", "formats"),
            [(*_cells(camera), "; ".join(camera.formats) or _unknown(camera)) for camera in usable]
            + [
                (ribbon.camera, ribbon.model, ribbon.id, "-", " ".join(ribbon.sizes) or "?")
                for ribbon in ribbons.cameras
            ],
        )
    _tell_the_rest(cameras, ribbons, quiet=as_json or (show_all and bool(cameras)))


command.add_command(test)


def _cells(camera: Camera) -> tuple[str, str, str, str]:
    node = camera.node
    return camera.camera or "-", node.name, str(node.path), str(node.stable) if node.stable else "-"


def _unknown(camera: Camera) -> str:
    """Return why the formats are not known, with the next command when this user can change it."""
    if os.access(camera.node.path, os.R_OK | os.W_OK):
        return "?"
    return "no permission: sudo usermod -aG video $USER, then log in again"


def _tell_the_rest(cameras: tuple[Camera, ...], ribbons: RibbonCameras, *, quiet: bool) -> None:
    """Say on stderr what may be missing, and when there is nothing to list, what to do."""
    if ribbons.trouble:
        click.echo(printable(redact(ribbons.trouble)), err=True)
    if quiet:
        return
    listed = {ribbon.camera for ribbon in ribbons.cameras}
    for hint in dict.fromkeys(
        printable(f"{camera.node.name}: {camera.hidden}")
        for camera in cameras
        if camera.camera and not camera.usable and camera.camera not in listed
    ):
        click.echo(hint, err=True)
    if any(camera.startswith("csi:") for camera in listed):
        click.echo(
            "csi:N is counted as the kernel lists sensors, Argus may count otherwise: `mnv2-edge cameras test csi:0`",
            err=True,
        )
    if listed or any(camera.usable for camera in cameras):
        return
    hidden = len(cameras)
    nodes = f" ({hidden} video nodes are none: --all shows why)" if hidden else ""
    click.echo(f"no camera that gives frames on /dev/videoN{nodes}; without one, try `--camera demo`", err=True)


def _ribbon_as_json(ribbon: RibbonCamera) -> dict[str, object]:
    return {
        "camera": ribbon.camera,
        "usable": True,
        "name": ribbon.model,
        "node": None,
        "stable": None,
        "id": ribbon.id,
        "formats": list(ribbon.sizes),
        "hidden": "",
    }


def _as_json(camera: Camera) -> dict[str, object]:
    node = camera.node
    return {
        "camera": camera.camera,
        "usable": camera.usable,
        "name": node.name,
        "node": str(node.path),
        "stable": str(node.stable) if node.stable else None,
        "driver": node.driver,
        "usb_id": node.usb_id,
        "serial": node.serial,
        "formats": list(camera.formats),
        "hidden": camera.hidden,
    }
