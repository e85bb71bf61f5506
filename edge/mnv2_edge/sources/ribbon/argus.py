"""A ribbon camera of a Jetson, through Argus."""

from typing import Final

from mnv2_edge.errors import LibraryMissingError, UsageError
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.network.gstreamer import SINK, GstSource, build_pipeline
from mnv2_edge.sources.system_libraries import import_gstreamer
from mnv2_edge.sources.uri import read_fps, read_size, refuse_unknown

__all__ = ["csi_pipeline", "open_csi"]

_KIND: Final = "a Jetson's ribbon camera"
_HINT: Final = (
    "is its ribbon cable seated, and does another program use it? After a crash Argus may be stuck: "
    "`sudo systemctl restart nvargus-daemon`"
)


def open_csi(options: SourceOptions) -> GstSource:
    """Open ``csi:N``, with options as in ``csi:0?size=1280x720&fps=30``.

    Raises LibraryMissingError without GStreamer or off a Jetson, SourceError when it gives no picture, UsageError for
    options that make no sense.
    """
    refuse_unknown(_KIND, options.query, {"fps", "size"})
    number = options.uri.partition(":")[2] or "0"
    if not number.isdecimal():
        raise UsageError(f"{options.uri!r} names no ribbon camera: expected csi:N, as in csi:0")
    if options.pace == "max":
        raise UsageError(f"--pace max has no meaning for the camera {options.uri}: it comes at its own rate")
    size = read_size(_KIND, options.query) or (1280, 720)
    fps = read_fps(_KIND, options.query) or 30.0
    gst = import_gstreamer()
    for element in ("nvarguscamerasrc", "nvvidconv"):
        if gst.ElementFactory.find(element) is None:
            raise LibraryMissingError(
                f"GStreamer has no {element}: csi:N works on a Jetson, with `sudo apt install nvidia-l4t-gstreamer`; "
                "on a Raspberry Pi it is picamera:N"
            )
    pipeline = build_pipeline(gst, csi_pipeline(int(number), size, fps))
    return GstSource(gst, pipeline, f"csi:{number}", options.camera_id, hint=_HINT, limits=options.limits)


def csi_pipeline(number: int, size: tuple[int, int], fps: float) -> str:
    """Return the pipeline: Argus' picture stays in the device's memory until it is BGRx.

    Argus takes the sensor mode that is nearest to the size and rate asked for.
    """
    width, height = size
    return (
        f"nvarguscamerasrc sensor-id={number} ! "
        f"video/x-raw(memory:NVMM),format=NV12,width={width},height={height},framerate={round(fps * 1000)}/1000 ! "
        f"nvvidconv ! video/x-raw,format=BGRx,width={width},height={height} ! {SINK}"
    )
