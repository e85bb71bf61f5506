"""IP cameras over RTSP, H.264 or H.265: through GStreamer where Python has it, else through PyAV.

Which library, and why: docs/decisions/0011.
"""

import logging
from types import ModuleType
from typing import Any, Final
from urllib.parse import quote

from mnv2_edge.errors import LibraryMissingError, SourceError, SourceLoginError, UsageError
from mnv2_edge.sources import FrameSource, SourceOptions
from mnv2_edge.sources.network.address import CameraAddress, split_address, take_options
from mnv2_edge.sources.network.certificates import TLS_OPTIONS, CertificatePolicy, explain_refusal, read_trust
from mnv2_edge.sources.network.gstreamer import SINK, GstSource, build_pipeline
from mnv2_edge.sources.network.pyav import AvSource
from mnv2_edge.sources.system_libraries import import_av, import_gstreamer

__all__ = ["open_rtsp", "rtsp_pipeline"]

_log = logging.getLogger(__name__)
_OURS: Final = TLS_OPTIONS | {"keyframes", "library", "timeout", "transport"}
_TRANSPORTS: Final = ("tcp", "udp")
_LIBRARIES: Final = ("auto", "gstreamer", "pyav")
_UDP_LATENCY_MS: Final = 50  # packets may overtake each other
_CHECKS_CERTIFICATES: Final = 62
_AFTER_SUPERVISOR_S: Final = 1.0
_DECODERS: Final = ("nvv4l2decoder", "v4l2h264dec", "avdec_h264", "openh264dec")


def open_rtsp(options: SourceOptions) -> FrameSource:
    """Open ``rtsp://[user@]host[:port]/path?query``, or rtsps; what of the query is not ours goes to the camera.

    Ours: ``transport=tcp|udp`` (tcp), ``timeout=SECONDS`` of silence, ``keyframes=only`` (a picture every second or
    two, for next to no work), ``library=auto|gstreamer|pyav``; of rtsps ``ca_file=FILE``, ``verify=no``. Raises
    SourceLoginError when the camera refuses the user or password, SourceError when it cannot be reached or its
    certificate is not accepted, LibraryMissingError when there is nothing to decode it with or to check its
    certificate, UsageError for options that make no sense.
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
    timeout_s = _silence_s(ours.get("timeout"), options.stall_s)
    trust = read_trust(address.url.partition(":")[0], ours)
    gst = None if library == "pyav" or keyframes_only else _gstreamer(required=library == "gstreamer")
    source: FrameSource
    try:
        if gst is not None:
            source = _open_with_gstreamer(gst, address, transport, trust, options, timeout_s)
        else:
            av = import_av()
            source = AvSource(
                av,
                _with_login(address),
                address.shown,
                options.camera_id,
                options={"rtsp_transport": transport, "fflags": "nobuffer", "flags": "low_delay", **_tls(av, trust)},
                timeout_s=timeout_s,
                keyframes_only=keyframes_only,
                limits=options.limits,
            )
    except SourceLoginError:
        raise
    except SourceError as exc:
        refusal = explain_refusal(address, trust)
        if refusal:
            raise SourceError(refusal) from exc
        raise
    if trust is not None and not trust.verify:  # here, so that a camera that is away is not warned of again and again
        _log.warning(
            "%s: the camera's certificate is not checked (verify=no): anybody on the way may be it", options.camera_id
        )
    return source


def _tls(av: ModuleType, trust: CertificatePolicy | None) -> dict[str, str]:
    """Return FFmpeg's options. Before version 8 (libavformat 62) its RTSP knew none of them and checked nothing."""
    if trust is None:
        return {}
    checks = av.library_versions["libavformat"][0] >= _CHECKS_CERTIFICATES
    if not trust.verify:
        return {"tls_verify": "0"} if checks else {}  # newer ones check unless they are told not to
    if not checks:
        raise LibraryMissingError(
            f"PyAV {av.__version__} does not check certificates over RTSP: `pip install -U 'av>=16'`, or GStreamer"
        )
    return {"tls_verify": "1", "ca_file": trust.ca_file}


def rtsp_pipeline(transport: str, *, jetson: bool) -> str:
    """Return the pipeline; the address and the login are set on its element `camera`, where no log shows them."""
    latency_ms = _UDP_LATENCY_MS if transport == "udp" else 0
    convert = "nvvidconv ! video/x-raw,format=BGRx" if jetson else "videoconvert ! video/x-raw,format=BGR"
    return (
        f"rtspsrc name=camera protocols={transport} latency={latency_ms} ! application/x-rtp,media=video ! decodebin ! "
        f"{convert} ! {SINK}"
    )


def _open_with_gstreamer(
    gst: ModuleType,
    address: CameraAddress,
    transport: str,
    trust: CertificatePolicy | None,
    options: SourceOptions,
    silence_s: float,
) -> GstSource:
    jetson = gst.ElementFactory.find("nvv4l2decoder") is not None
    if not jetson and gst.ElementFactory.find("nvvidconv") is not None:
        _log.warning(
            "%s: this Jetson's hardware decoder (nvv4l2decoder) is not there, so the processor decodes: "
            "`sudo apt install nvidia-l4t-gstreamer`",
            options.camera_id,
        )
    pipeline = build_pipeline(gst, rtsp_pipeline(transport, jetson=jetson))
    camera: Any = pipeline.get_by_name("camera")
    camera.set_property("location", address.url)
    if address.user:
        camera.set_property("user-id", address.user)
        camera.set_property("user-pw", address.password)
    if trust is not None:
        _set_trust(camera, trust)
    hint = "is the camera on, and is the path the one in its manual?"
    return GstSource(
        gst, pipeline, address.shown, options.camera_id, hint=hint, silence_s=silence_s, limits=options.limits
    )


def _set_trust(camera: Any, trust: CertificatePolicy) -> None:  # noqa: ANN401 - PyGObject has no types
    """Make rtspsrc check the certificate against `ca_file`; by itself it takes the system's authorities."""
    from gi.repository import Gio

    backend = Gio.TlsBackend.get_default()
    if not backend.supports_tls():
        raise LibraryMissingError("GStreamer cannot speak rtsps: `sudo apt install -y glib-networking`")
    if trust.verify:
        camera.set_property("tls-database", Gio.TlsFileDatabase.new(trust.ca_file))
    else:
        camera.set_property("tls-validation-flags", Gio.TlsCertificateFlags(0))


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


def _with_login(address: CameraAddress) -> str:
    if not address.user:
        return address.url
    scheme, _, rest = address.url.partition("://")
    return f"{scheme}://{quote(address.user, safe='')}:{quote(address.password, safe='')}@{rest}"


def _choice(ours: dict[str, str], name: str, known: tuple[str, ...]) -> str:
    value = ours.get(name, known[0])
    if value not in known:
        raise UsageError(f"rtsp option {name}={value!r} is unknown: expected {' or '.join(known)}")
    return value


def _silence_s(text: str | None, stall_s: float) -> float:
    """Return after how long without a packet a read gives up: a little longer than the supervisor waits for a frame.

    Sooner would cut a camera that is allowed to be silent; much later, and the supervisor finds a read that hangs.
    """
    if text is None:
        return stall_s + _AFTER_SUPERVISOR_S
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.5 <= seconds <= 3600:
        raise UsageError(f"rtsp option timeout={text!r} is out of range: expected seconds from 0.5 to 3600")
    if seconds > stall_s:
        raise UsageError(
            f"rtsp option timeout={text} is longer than the camera may be silent: set stall_s (now {stall_s:g}) in the "
            "configuration, and leave timeout out"
        )
    return seconds
