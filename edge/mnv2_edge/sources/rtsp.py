"""Read IP cameras over RTSP, H.264 or H.265: through GStreamer where Python has it, else through PyAV.

Which library, and why: docs/decisions/0011.
"""

import logging
from types import ModuleType
from typing import Any, Final
from urllib.parse import quote

from mnv2_edge.errors import LibraryMissingError, UsageError
from mnv2_edge.sources import FrameSource, SourceOptions
from mnv2_edge.sources.address import Address, split_address, take_options
from mnv2_edge.sources.av_stream import AvSource
from mnv2_edge.sources.gst import SINK, GstSource, build_pipeline
from mnv2_edge.sources.libraries import import_av, import_gstreamer

__all__ = ["open_rtsp", "rtsp_pipeline"]

_log = logging.getLogger(__name__)
_OURS: Final = frozenset({"keyframes", "library", "timeout", "transport"})
_TRANSPORTS: Final = ("tcp", "udp")
_LIBRARIES: Final = ("auto", "gstreamer", "pyav")
_UDP_LATENCY_MS: Final = 50  # packets may overtake each other
_DECODERS: Final = ("nvv4l2decoder", "v4l2h264dec", "avdec_h264", "openh264dec")


def open_rtsp(options: SourceOptions) -> FrameSource:
    """Open ``rtsp://[user@]host[:port]/path?query``, or rtsps; what of the query is not ours goes to the camera.

    Ours: ``transport=tcp|udp`` (tcp), ``timeout=SECONDS`` of silence (4), ``keyframes=only`` (a picture every second or
    two, for next to no work), ``library=auto|gstreamer|pyav``. Raises SourceLoginError when the camera refuses the user
    or password, SourceError when it cannot be reached, LibraryMissingError when there is nothing to decode it with,
    UsageError for options that make no sense.
    """
    if options.pace == "max":
        raise UsageError("--pace max has no meaning for a camera: it comes at its own rate")
    uri, ours = take_options(options.uri, _OURS)
    address = split_address(uri, options.secret)
    transport = _choice(ours, "transport", _TRANSPORTS)
    library = _choice(ours, "library", _LIBRARIES)
    keyframes_only = "keyframes" in ours
    if ours.get("keyframes", "only") != "only":
        raise UsageError(f"rtsp option keyframes={ours['keyframes']!r} is unknown: expected keyframes=only")
    timeout_s = _seconds(ours.get("timeout", "4"))
    gst = None if library == "pyav" or keyframes_only else _gstreamer(required=library == "gstreamer")
    if gst is not None:
        return _open_with_gstreamer(gst, address, transport, options.camera_id)
    return AvSource(
        import_av(),
        _with_login(address),
        address.shown,
        options.camera_id,
        options={"rtsp_transport": transport, "fflags": "nobuffer", "flags": "low_delay"},
        timeout_s=timeout_s,
        keyframes_only=keyframes_only,
    )


def rtsp_pipeline(transport: str, *, jetson: bool) -> str:
    """Return the pipeline; the address and the login are set on its element `camera`, where no log shows them."""
    latency_ms = _UDP_LATENCY_MS if transport == "udp" else 0
    convert = "nvvidconv ! video/x-raw,format=BGRx" if jetson else "videoconvert ! video/x-raw,format=BGR"
    return (
        f"rtspsrc name=camera protocols={transport} latency={latency_ms} ! application/x-rtp,media=video ! decodebin ! "
        f"{convert} ! {SINK}"
    )


def _open_with_gstreamer(gst: ModuleType, address: Address, transport: str, camera_id: str) -> GstSource:
    jetson = gst.ElementFactory.find("nvv4l2decoder") is not None
    if not jetson and gst.ElementFactory.find("nvvidconv") is not None:
        _log.warning(
            "%s: this Jetson's hardware decoder (nvv4l2decoder) is not there, so the processor decodes: "
            "`sudo apt install nvidia-l4t-gstreamer`",
            camera_id,
        )
    pipeline = build_pipeline(gst, rtsp_pipeline(transport, jetson=jetson))
    camera: Any = pipeline.get_by_name("camera")
    camera.set_property("location", address.url)
    if address.user:
        camera.set_property("user-id", address.user)
        camera.set_property("user-pw", address.password)
    hint = "is the camera on, and is the path the one in its manual?"
    return GstSource(gst, pipeline, address.shown, camera_id, hint=hint)


def _gstreamer(*, required: bool) -> ModuleType | None:
    """Return GStreamer when it is there with all that RTSP needs."""
    try:
        gst = import_gstreamer()
    except LibraryMissingError:
        if required:
            raise
        return None
    elements = [] if gst.ElementFactory.find("rtspsrc") is None else _DECODERS
    if any(gst.ElementFactory.find(element) is not None for element in elements):
        return gst
    if required:
        raise LibraryMissingError(
            "GStreamer has no rtspsrc or no H.264 decoder: "
            "`sudo apt install -y gstreamer1.0-plugins-good gstreamer1.0-libav`"
        )
    return None


def _with_login(address: Address) -> str:
    if not address.user:
        return address.url
    scheme, _, rest = address.url.partition("://")
    return f"{scheme}://{quote(address.user, safe='')}:{quote(address.password, safe='')}@{rest}"


def _choice(ours: dict[str, str], name: str, known: tuple[str, ...]) -> str:
    value = ours.get(name, known[0])
    if value not in known:
        raise UsageError(f"rtsp option {name}={value!r} is unknown: expected {' or '.join(known)}")
    return value


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.5 <= seconds <= 600:
        raise UsageError(f"rtsp option timeout={text!r} is out of range: expected seconds from 0.5 to 600")
    return seconds
