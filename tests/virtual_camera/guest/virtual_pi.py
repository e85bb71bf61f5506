"""Give an unmodified picamera2 what it finds on a Raspberry Pi and libcamera's virtual camera has not.

A heap for buffers that processors share (here: memory files), a raw mode, the status of frames, time between them, and
libraries that only displays, DNG files and ffmpeg need. Everything else is picamera2 and libcamera as they are.
"""

import collections
import sys
import threading
import types

import libcamera

PERIOD_S = 1 / 30
LARGEST = (1280, 720)
SCREEN_FORMATS = ("RGB888", "BGR888", "XRGB8888", "XBGR8888", "YUV420", "YVU420", "NV12")
UNUSED = {
    "prctl": {},
    "pykms": {"PixelFormat": types.SimpleNamespace(**dict.fromkeys(SCREEN_FORMATS))},
    "pidng": {},
    "pidng.camdefs": {"Picamera2Camera": None},
    "pidng.core": {"PICAM2DNG": None},
}


def prepare() -> "Sensor":
    """Make `import picamera2` work; to be called before it. Return what drives the cameras."""
    for name, symbols in UNUSED.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(symbols)

    import picamera2.picamera2
    from memory_files import MemoryFiles

    picamera2.picamera2.DmaAllocator = MemoryFiles
    # libcamera 0.4.0's virtual camera has no raw stream, so picamera2 could not tell the sensor's resolution; and it
    # never writes the status of a frame, which then is what was in memory.
    picamera2.picamera2.Picamera2._get_raw_modes = lambda camera: [{"format": "SBGGR10", "size": LARGEST}]
    libcamera.FrameMetadata.status = property(lambda metadata: libcamera.FrameMetadata.Status.Success)
    return Sensor()


class Sensor:
    """Fill one request of each camera in each period, in place of 0.4.0's at once.

    picamera2 takes back no request that completes before `start` has returned, as no sensor is that fast.
    """

    def __init__(self) -> None:
        self.plugged = threading.Event()
        self.plugged.set()
        self._lock = threading.Lock()
        self._waiting = collections.defaultdict(collections.deque)
        self._queue = libcamera.Camera.queue_request
        stop = libcamera.Camera.stop

        def queue_request(camera, request):
            with self._lock:
                self._waiting[camera].append(request)

        def stop_camera(camera):
            with self._lock:
                self._waiting.pop(camera, None)
                stop(camera)

        libcamera.Camera.queue_request = queue_request
        libcamera.Camera.stop = stop_camera
        threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self) -> None:
        moment = threading.Event()
        while True:
            moment.wait(PERIOD_S)
            self.plugged.wait()
            with self._lock:
                for camera, requests in self._waiting.items():
                    if requests:
                        self._queue(camera, requests.popleft())
