"""A machine to set up: its cameras are invented, its disk, engines and networks are real."""

import dataclasses

import pytest

from mnv2_edge.cameras import Camera
from mnv2_edge.cameras.ribbon import RibbonCameras
from mnv2_edge.cameras.video_nodes import VideoNode
from mnv2_edge.environment import read_environment
from mnv2_edge.service.paths import ServicePaths
from mnv2_edge.setup.machine import SetupHost
from mnv2_engines.store import Store
from support.engines import write_engine


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Return where it is remembered which engines have passed their self-test: once is enough for all of these."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def host(tmp_path, cache):
    """Return a machine without cameras, broker, engines and network, on which nothing else was ever installed."""

    def run_nothing(arguments, _secrets):
        raise AssertionError(f"nobody asked for {arguments}")

    return SetupHost(
        environment=read_environment({"MNV2_EDGE_HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(cache)}),
        paths=ServicePaths(tmp_path / "root"),
        hostname="porch",
        watch_s=0.1,
        list_cameras=tuple,
        list_ribbons=lambda _nodes: RibbonCameras((), ""),
        broker_answers_here=lambda: False,
        run_ourselves=run_nothing,
        is_jetson=False,
    )


@pytest.fixture
def make_node(tmp_path):
    """Return what makes the camera of a number."""

    def make(number: int, name: str, stable: str | None = None) -> Camera:
        link = None if stable is None else tmp_path / "dev/v4l/by-id" / stable
        node = VideoNode(tmp_path / f"dev/video{number}", name, 0, "uvcvideo", "usb", stable=link)
        return Camera(str(number), node, "", ("MJPG 1280x720 640x480",))

    return make


@pytest.fixture
def having(host):
    """Return what gives the machine something else."""
    return lambda **changes: dataclasses.replace(host, **changes)


@pytest.fixture
def put_engines(host):
    """Return what puts engines into the machine's store, the demo's under other names, and makes one the default."""

    def put(*names: str, default: str) -> None:
        store = Store(host.environment.home)
        store.folder.mkdir(parents=True)
        for name in names:
            with store.staging(name) as staging:
                write_engine(staging.folder / f"{name}.tflite", name)
                staging.publish()
        store.set_default(default)

    return put
