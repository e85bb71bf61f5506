"""The choice of a camera, and a trial whether it gives pictures."""

import shlex
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from mnv2_edge.address_secrets import names_password
from mnv2_edge.app import silence_opencv
from mnv2_edge.cameras import Camera
from mnv2_edge.config.model import CameraConfig
from mnv2_edge.errors import EdgeError, SourceError, SourceLoginError, UsageError
from mnv2_edge.host.timeout import TimedCall
from mnv2_edge.redaction import add_secret, holds_password, redact
from mnv2_edge.service.paths import unit_of
from mnv2_edge.setup.draft import ConfigDraft
from mnv2_edge.setup.machine import SetupHost
from mnv2_edge.setup.prompts import Option, Prompts, ask_password, with_user
from mnv2_edge.sources.decoding.limits import PictureLimits
from mnv2_edge.sources.network.address import split_address
from mnv2_edge.sources.trial import CameraReport, examine_source
from mnv2_edge.sources.uri import parse_uri
from mnv2_engines.printable import printable

__all__ = ["NETWORK", "FoundCamera", "find_cameras", "pick_cameras", "take_address"]

NETWORK: Final = frozenset({"rtsp", "rtsps", "http", "https"})
_Way: TypeAlias = Literal["address", "file", "demo", "configured"]
_Next: TypeAlias = Literal["again", "login", "other", "keep"]


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """A camera that this machine has."""

    uri: str
    """What the configuration will say."""
    names: frozenset[str]
    """Everything that means it."""
    label: str
    detail: str


@dataclass(frozen=True, slots=True)
class _Login:
    """An address without the password, and the password."""

    uri: str
    password: str


def pick_cameras(draft: ConfigDraft, prompts: Prompts, host: SetupHost) -> ConfigDraft:
    """Ask for every camera of the draft, and for more where this machine has more; try each."""
    silence_opencv()
    found = find_cameras(prompts, host)
    index = 0
    while True:
        several = len(draft.config.cameras) > 1
        prompts.show(f"Camera {index + 1}" if several or index else "Camera", "heading")
        draft = _pick_one(draft, index, found, prompts, host)
        index += 1
        if index < len(draft.config.cameras):
            continue
        taken = {camera.uri for camera in draft.config.cameras}
        if all(taken & camera.names for camera in found) or not prompts.confirm("Another camera?", default=False):
            return draft


def find_cameras(prompts: Prompts, host: SetupHost) -> tuple[FoundCamera, ...]:
    """Return the cameras of this machine, and say what keeps some from being found."""
    nodes = host.list_cameras()
    usable = [camera for camera in nodes if camera.usable]
    ribbons = host.list_ribbons(nodes)
    if ribbons.trouble:
        prompts.show(printable(redact(ribbons.trouble)), "doubt")
    return (
        *(_usb(camera, alone=len(usable) == 1) for camera in usable),
        *(
            FoundCamera(one.camera, frozenset({one.camera}), f"{one.model}, ribbon", " ".join(one.sizes[:4]))
            for one in ribbons.cameras
        ),
    )


def _usb(camera: Camera, *, alone: bool) -> FoundCamera:
    """Name a camera by its number while it is the only one, else by what stays when others are plugged in."""
    node, stable = camera.node, camera.node.stable
    names = {camera.camera, str(node.path)} | ({str(stable), f"usb:{stable.name}"} if stable else set())
    uri = camera.camera if alone or stable is None else f"usb:{stable.name}"
    return FoundCamera(uri, frozenset(names), node.name or str(node.path), "; ".join((str(node.path), *camera.formats)))


def _pick_one(
    draft: ConfigDraft, index: int, found: tuple[FoundCamera, ...], prompts: Prompts, host: SetupHost
) -> ConfigDraft:
    known = draft.config.cameras[index : index + 1]
    present = known[0] if known else CameraConfig()
    configured = bool(known) and not draft.is_new
    taken = {camera.uri for place, camera in enumerate(draft.config.cameras) if place != index}
    while True:
        login = _choose(present if configured else None, taken, found, prompts)
        camera = _changed(present, login.uri) if configured else CameraConfig(uri=login.uri)
        draft = draft.with_camera(index, camera, login.password, tried=False)
        tried = _try(draft, index, prompts, host)
        if tried is not None:
            return tried


def _changed(present: CameraConfig, uri: str) -> CameraConfig:
    """Keep what belongs to the place where a camera hangs; a password belongs to the camera."""
    if uri == present.uri:
        return present
    return msgspec.structs.replace(present, uri=uri, password_file=None, pace=None)


def _choose(present: CameraConfig | None, taken: set[str], found: tuple[FoundCamera, ...], prompts: Prompts) -> _Login:
    free = [camera for camera in found if not taken & camera.names]
    options: list[Option[FoundCamera | _Way]] = [Option(camera, camera.label, camera.detail) for camera in free]
    default = 0
    if present is not None:
        here = [place for place, camera in enumerate(free) if present.uri in camera.names]
        if here:
            default = here[0]
        else:
            options.insert(0, Option("configured", printable(redact(present.uri)), "as configured"))
    options += [
        Option("address", "a network camera", "rtsp://, or motion JPEG over http://"),
        Option("file", "a picture, a folder or a video"),
        Option("demo", "the demo film", "rendered road signs: no camera needed"),
    ]
    if not free and present is None:
        default = len(options) - 1
        prompts.show("No camera is connected that gives pictures: `mnv2-edge cameras --all` tells more.", "doubt")
    chosen = prompts.choose("Which camera?", options, default)
    if isinstance(chosen, FoundCamera):
        uri = present.uri if present is not None and present.uri in chosen.names else chosen.uri
        return _Login(uri, "")
    if chosen == "configured" and present is not None:
        return _Login(present.uri, "")
    if chosen == "address":
        return _ask_login(prompts.ask("Its address, as in rtsp://user@camera.local/stream", take_address), prompts)
    if chosen == "file":
        return _Login(prompts.ask("Its path", _take_path), "")
    return _Login("demo", "")


def take_address(text: str) -> tuple[str, str]:
    """Return the address of a network camera without the password in it, and that password. Raises UsageError."""
    text = text.strip()
    if len(text.split()) != 1 or parse_uri(text).kind not in NETWORK:
        raise UsageError(f"{redact(text)!r} is not an address: expected one that begins with rtsp:// or http://")
    address = split_address(text, "")
    uri = with_user(text, address.user)
    add_secret(address.password)
    if holds_password(uri) or names_password(uri):
        raise UsageError(
            f"{redact(uri)} holds a password among its options, which every reader of the file would see: leave it out"
        )
    return uri, address.password


def _ask_login(given: tuple[str, str], prompts: Prompts) -> _Login:
    uri, password = given
    if password:
        prompts.show("The password goes into a file of its own, not into the configuration.")
    elif split_address(uri, "").user:
        password = ask_password(split_address(uri, "").user, prompts)
    return _Login(uri, password)


def _take_path(text: str) -> str:
    """Return an absolute path, since the configuration may be run from any folder. Raises UsageError."""
    path = Path(text.strip()).expanduser().absolute()
    if not text.strip() or not path.exists():
        raise UsageError(f"there is no {text.strip() or 'path'}: expected a picture, a folder of pictures or a video")
    return str(path)


def _try(draft: ConfigDraft, index: int, prompts: Prompts, host: SetupHost) -> ConfigDraft | None:
    """Watch the camera and return the draft with the result; None when the user picks another one."""
    while True:
        camera = draft.config.cameras[index]
        shown = printable(redact(camera.uri))
        prompts.show(shlex.join(("mnv2-edge", "cameras", "test", shown)), "command")
        try:
            report = _watch(camera, draft.camera_secret(index, host.environment), host)
        except EdgeError as exc:
            following = prompts.recover(_with_holders(exc, host), list(_ways_on(camera, exc)))
        else:
            for line in _describe(camera, report):
                prompts.show(line, "good")
            for doubt in report.doubts if parse_uri(camera.uri).kind != "file" else ():
                prompts.show(printable(redact(doubt)), "doubt")
            return draft.with_camera(index, camera, draft.camera_passwords.get(index, ""), tried=True)
        if following == "login":
            login = _ask_login(_ask_user(camera.uri, prompts), prompts)
            draft = draft.with_camera(index, _changed(camera, login.uri), login.password, tried=False)
        elif following == "keep":
            return _kept(draft, index)
        elif following == "other":
            return None


def _kept(draft: ConfigDraft, index: int) -> ConfigDraft:
    """Make a run wait for a camera that is away, also at its start."""
    waiting = msgspec.structs.replace(draft.config.cameras[index], required=False)
    return draft.with_camera(index, waiting, draft.camera_passwords.get(index, ""), tried=False)


def _with_holders(error: EdgeError, host: SetupHost) -> EdgeError:
    """Name the service where it may be the other program that has the camera."""
    units = [unit_of(name) for name in host.paths.instances()]
    if not units or "another program" not in str(error):
        return error
    return SourceError(f"{error}; if it is the service: `sudo systemctl stop {' '.join(units)}`")


def _ways_on(camera: CameraConfig, error: EdgeError) -> Iterator[Option[_Next]]:
    if isinstance(error, SourceLoginError) and parse_uri(camera.uri).kind in NETWORK:
        yield Option("login", "give user and password again")
    yield Option("other", "pick another camera")
    yield Option("again", "try it again")
    yield Option("keep", "keep it all the same", "it will be waited for")


def _ask_user(uri: str, prompts: Prompts) -> tuple[str, str]:
    """Ask for the user of an address."""
    user = prompts.ask("User", str.strip, default=split_address(uri, "").user)
    return with_user(uri, user), ""


def _watch(camera: CameraConfig, secret: str, host: SetupHost) -> CameraReport:
    """Read for some seconds. Raises SourceError when nothing comes, and when a driver hangs."""
    stop = threading.Event()

    def look() -> CameraReport:
        source = host.open_source(
            camera.uri,
            camera_id="camera",
            rotate=camera.rotate,
            flip=camera.flip,
            secret=secret,
            stall_s=camera.stall_s,
            limits=PictureLimits(camera.max_megapixels),
        )
        with closing(source):
            return examine_source(source, host.watch_s, stop)[0]

    shown = redact(camera.uri)
    try:
        report = TimedCall(look, host.watch_s + host.timeout_s)()
    except TimeoutError as exc:
        raise SourceError(
            f"{shown} does not answer: its driver hangs. Unplug it and plug it in again; a ribbon camera wants a reboot"
        ) from exc
    finally:
        stop.set()
    if not report.frames:
        raise SourceError(f"{shown}: {report.trouble or 'it opens and gives no picture'}")
    return report


def _describe(camera: CameraConfig, report: CameraReport) -> Iterator[str]:
    size = f"{report.width}x{report.height}"
    if parse_uri(camera.uri).kind == "file":
        yield f"{size}, {'pictures can be read' if report.frames > 1 else 'a picture'}"
    else:
        yield f"{size} at {report.rate:.1f} frames/s"
