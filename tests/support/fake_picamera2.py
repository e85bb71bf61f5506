"""A picamera2 that behaves: jobs, requests that must be given back, formats granted instead of those asked for."""

import concurrent.futures
import os
import threading
import time
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from support.yuv import encode_yuv

CODES = {"YUV420": cv2.COLOR_BGR2YUV_I420, "YVU420": cv2.COLOR_BGR2YUV_YV12}


def encode(bgr: np.ndarray, name: str, stride_pad: int = 0) -> np.ndarray:
    """Return the picture in memory as libcamera's format `name` has it, rows padded as `Request.make_array` does."""
    if name == "RGB888":
        return bgr.copy()
    if name == "BGR888":
        return np.ascontiguousarray(bgr[..., ::-1])
    if name == "XRGB8888":
        return np.dstack([bgr, np.full(bgr.shape[:2], 255, np.uint8)])
    if name == "XBGR8888":
        return np.dstack([bgr[..., ::-1], np.full(bgr.shape[:2], 255, np.uint8)])
    height, width = bgr.shape[:2]
    padded = cv2.copyMakeBorder(bgr, 0, 0, 0, stride_pad, cv2.BORDER_REPLICATE)
    if name in CODES:
        return cv2.cvtColor(padded, CODES[name])
    i420 = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).reshape(-1)
    luma, u, v = np.split(i420, [height * width, height * width * 5 // 4])
    first, second = (u, v) if name == "NV12" else (v, u)
    return np.concatenate([luma, np.stack([first, second], 1).reshape(-1)]).reshape(height * 3 // 2, width)


class Job:
    def __init__(self, device: "FakePicamera2") -> None:
        self._device = device

    def get_result(self, timeout: float) -> "Request":
        if self._device.frozen.is_set():
            time.sleep(timeout)
            raise concurrent.futures.TimeoutError
        time.sleep(self._device.period_s)
        return Request(self._device)


class Request:
    def __init__(self, device: "FakePicamera2") -> None:
        self._device = device
        device.held += 1

    def get_metadata(self) -> dict[str, Any]:
        return {"SensorTimestamp": time.monotonic_ns() - self._device.age_ns}

    def make_array(self, name: str) -> np.ndarray:
        stream = self._device.granted[name]
        width, height = stream["size"]
        picture = cv2.resize(self._device.scene, (width, height), interpolation=cv2.INTER_NEAREST)
        space = self._device.space
        if stream["format"] == "NV12" and space is not None and space.ycbcrEncoding.name in ("Rec709", "Rec2020"):
            full = space.range.name == "Full"
            yuv = encode_yuv(picture[..., ::-1].astype(float), space.ycbcrEncoding.name, full_range=full)
            return np.concatenate([yuv[..., 0], yuv[::2, ::2, 1:].reshape(height // 2, width)])
        return encode(picture, stream["format"], stride_pad=32)

    def release(self) -> None:
        self._device.held -= 1


def colour_space(encoding: str, value_range: str) -> SimpleNamespace:
    """Return what libcamera's ColorSpace looks like, as far as it is looked at."""
    return SimpleNamespace(ycbcrEncoding=SimpleNamespace(name=encoding), range=SimpleNamespace(name=value_range))


class FakePicamera2:
    """Set the class attributes to make it another camera."""

    cameras = 1
    busy = False
    grant: str | None = None
    period_s = 0.002
    age_ns = 7_000_000
    scene = np.zeros((2, 2, 3), np.uint8)
    space: object = colour_space("Rec601", "Limited")
    opened: list["FakePicamera2"] = []  # noqa: RUF012 - reset by the fixture

    @classmethod
    def global_camera_info(cls) -> list[dict[str, Any]]:
        return [{"Model": "imx708", "Num": number} for number in range(cls.cameras)]

    def __init__(self, number: int) -> None:
        self.notifyme_r, self.notifyme_w = os.pipe2(os.O_NONBLOCK)
        self.notifymeread = os.fdopen(self.notifyme_r, "rb")
        if self.busy:
            raise RuntimeError("Camera __init__ sequence did not complete.") from OSError("Device or resource busy")
        self.camera_controls = {"FrameDurationLimits": (0, 0, 0)}
        self.frozen = threading.Event()
        self.held = 0
        self.granted: dict[str, Any] = {}
        self.configured: list[dict[str, Any]] = []
        self.started = False
        self.jobs = 0
        self.opened.append(self)

    def create_video_configuration(self, **settings: Any) -> dict[str, Any]:
        return settings

    def configure(self, configuration: dict[str, Any]) -> None:
        self.configured.append(configuration)
        for stream in ("main", "lores"):
            if stream in configuration:
                self.granted[stream] = {
                    **configuration[stream],
                    "format": self.grant or configuration[stream]["format"],
                }

    def camera_configuration(self) -> dict[str, Any]:
        return {**self.granted, "colour_space": self.space}

    def start(self) -> None:
        self.started = True

    def capture_request(self, wait: bool) -> Job:
        assert self.started
        assert not wait
        self.jobs += 1
        return Job(self)

    def cancel_all_and_flush(self) -> None:
        self.jobs = 0

    def close(self) -> None:
        if self.frozen.is_set():
            assert not self.jobs, "close waits for ever for a job that is not cancelled"
        self.started = False
        self.notifymeread.close()
        os.close(self.notifyme_w)


MODULE = SimpleNamespace(Picamera2=FakePicamera2)
