"""A configuration that cannot run here is refused before it is installed."""

import pytest

from mnv2_edge.config.model import CameraConfig, Config
from mnv2_edge.errors import LibraryMissingError
from mnv2_edge.service.installation import require_libraries


def config(*uris: str) -> Config:
    return Config(version=1, cameras=tuple(CameraConfig(uri=uri) for uri in uris))


@pytest.mark.parametrize("uri", ["rtsp://camera/stream", "RTSPS://camera/stream"])
def test_an_rtsp_camera_without_a_library_comes_with_the_command(uri) -> None:
    with pytest.raises(LibraryMissingError, match=r"needs PyAV or GStreamer.*sudo apt install python3-gi") as caught:
        require_libraries(config("demo", uri), lambda _name: False)
    assert caught.value.exit_status == 69


@pytest.mark.parametrize("library", ["av", "gi"])
def test_one_library_is_enough(library) -> None:
    require_libraries(config("rtsp://camera/stream"), lambda name: name == library)


def test_other_cameras_need_none() -> None:
    require_libraries(config("demo", "0", "http://camera/stream"), lambda _name: False)
