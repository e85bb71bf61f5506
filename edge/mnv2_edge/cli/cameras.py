"""List the cameras and what to type for each."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from mnv2_edge.cli.camera_test import test
from mnv2_edge.cli.common import json_option
from mnv2_edge.cli.tables import print_table

if TYPE_CHECKING:
    from mnv2_edge.devices import Camera

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
@click.option("--all", "show_all", is_flag=True, help="Show the nodes that are no cameras too, and why.")
@json_option
@click.pass_context
def command(context: click.Context, *, show_all: bool, as_json: bool) -> None:
    """List the cameras that can be opened, and what to type for each.

    The first column is the value for --camera. Numbers and /dev/videoN change when cameras are plugged in another
    order; the stable path does not, and --camera takes it too.
    """
    if context.invoked_subcommand is not None:
        return
    from mnv2_edge.devices import list_cameras

    cameras = list_cameras()
    usable = [camera for camera in cameras if camera.usable]
    if as_json:
        click.echo(json.dumps([_as_json(camera) for camera in (cameras if show_all else usable)], indent=2))
        return
    if show_all and cameras:
        print_table(
            ("camera", "name", "node", "stable path", "formats or reason"),
            [(*_cells(camera), camera.hidden or "; ".join(camera.formats) or "?") for camera in cameras],
        )
    elif usable:
        print_table(
            ("camera", "name", "node", "stable path", "formats"),
            [(*_cells(camera), "; ".join(camera.formats) or _unknown(camera)) for camera in usable],
        )
    if not (show_all and cameras):
        _tell_the_rest(cameras, any_usable=bool(usable))


command.add_command(test)


def _cells(camera: Camera) -> tuple[str, str, str, str]:
    node = camera.node
    return camera.camera or "-", node.name, str(node.path), str(node.stable) if node.stable else "-"


def _unknown(camera: Camera) -> str:
    """Say why the formats are not known, with the next command when this user can change it."""
    if os.access(camera.node.path, os.R_OK | os.W_OK):
        return "?"
    return "no permission: sudo usermod -aG video $USER, then log in again"


def _tell_the_rest(cameras: tuple[Camera, ...], *, any_usable: bool) -> None:
    """Say on stderr which ribbon cameras there are, and when there is nothing to list, what to do."""
    for hint in dict.fromkeys(
        f"{camera.node.name}: {camera.hidden}" for camera in cameras if camera.camera and not camera.usable
    ):
        click.echo(hint, err=True)
    if any_usable:
        return
    hidden = len(cameras)
    nodes = f" ({hidden} video nodes are none: --all shows why)" if hidden else ""
    click.echo(f"no camera that gives frames on /dev/videoN{nodes}; without one, try `--camera demo`", err=True)


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
