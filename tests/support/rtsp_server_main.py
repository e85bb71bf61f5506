"""A real RTSP server (gst-rtsp-server); every picture shows when it was made. Run by the system's Python:

    /usr/bin/python3 rtsp_server_main.py PORT [--size 640x480] [--codec h264|h265] [--user ann --password hush]

`ready` on stdout says that it listens. The top row holds 32 squares: the bits of CLOCK_MONOTONIC in milliseconds.
"""

import argparse
import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

FPS = 30
ENCODERS = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast bitrate=1500 key-int-max=30 ! "
    "video/x-h264,profile=baseline ! rtph264pay",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast bitrate=1500 key-int-max=30 ! h265parse ! rtph265pay",
}


class Factory(GstRtspServer.RTSPMediaFactory):
    def __init__(self, width: int, height: int, codec: str) -> None:
        super().__init__()
        self.width, self.height = width, height
        self.set_shared(True)
        self.set_launch(
            f"( appsrc name=source is-live=true block=true format=time do-timestamp=true "
            f"caps=video/x-raw,format=GRAY8,width={width},height={height},framerate={FPS}/1 ! videoconvert ! "
            f"{ENCODERS[codec]} name=pay0 pt=96 )"
        )

    def do_configure(self, media: GstRtspServer.RTSPMedia) -> None:
        source = media.get_element().get_child_by_name("source")
        timer = GLib.timeout_add(1000 // FPS, self.push, source)
        media.connect("unprepared", lambda _: GLib.source_remove(timer))

    def push(self, source: Gst.Element) -> bool:
        now_ms = time.monotonic_ns() // 1_000_000 & 0xFFFFFFFF
        square = self.width // 32
        row = b"".join((b"\xe0" if now_ms >> bit & 1 else b"\x20") * square for bit in range(32))
        row += b"\x20" * (self.width - len(row))
        body = bytes([64 + now_ms // 8 % 128]) * self.width
        lines = min(square, self.height)
        source.emit("push-buffer", Gst.Buffer.new_wrapped(row * lines + body * (self.height - lines)))
        return True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--codec", choices=ENCODERS, default="h264")
    parser.add_argument("--user")
    parser.add_argument("--password")
    arguments = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer(service=arguments.port, address="127.0.0.1")
    factory = Factory(*map(int, arguments.size.split("x")), arguments.codec)
    if arguments.user:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(arguments.user, arguments.password), token)
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/stream", factory)
    server.attach(None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


main()
