"""Small files that say they are large, given to every way in; in a child of little memory, so that failing is safe."""

import itertools
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from mnv2_edge.errors import PictureError, UsageError
from mnv2_edge.evaluation.mask_folders import read_mask
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.decoding.limits import PictureLimits, bound_opencv
from mnv2_edge.sources.decoding.picture import decode_picture
from mnv2_edge.sources.files.pictures import read_picture
from mnv2_edge.sources.network.gstreamer import open_gst
from mnv2_edge.sources.network.pyav import AvSource
from mnv2_edge.sources.open import open_source
from support import hostile_pictures as hostile
from support.command import call
from support.gstreamer import need_gstreamer

_MIB = 1 << 20
_READ = """
import sys
from mnv2_edge.errors import SourceError
from mnv2_edge.sources.files.pictures import read_picture
from pathlib import Path

def kib(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

import cv2
before = kib("VmRSS")
try:
    print(read_picture(Path(sys.argv[1])).shape)
except SourceError as exc:
    print(exc)
print((kib("VmHWM") - before) // 1024)
"""
BOMBS = {
    "junk.jpg": (hostile.jpeg_saying(30_000, 30_000, b"\0"), "JPEG of 30000 x 30000 pixels, 900 million: at most 25"),
    "filled.jpg": (hostile.jpeg_saying(30_000, 30_000, b"\xff\0\xff\xd0\xff"), "900 million"),
    "progressive.jpg": (hostile.progressive_saying(9990, 9990), "JPEG of 9990 x 9990 pixels, 99.8 million"),
    "coefficients.jpg": (hostile.progressive_saying(4990, 4990), "4990 x 4990 pixels that takes 213 MiB to decode"),
    "scans.jpg": (hostile.progressive_saying(4000, 4000, scans=2000), "more than 32 scans"),
    "zeros.png": (hostile.png_of_zeros(30_000, 30_000), "PNG of 30000 x 30000 pixels"),
    "wide.tif": (hostile.tiff(30_000, 30_000), "TIFF of 30000 x 30000 pixels"),
    "tiles.tif": (hostile.tiff(16, 16, t322=30_000, t323=30_000), "TIFF of 16 x 16 pixels that takes"),
    "packed.tif": (hostile.tiff(16, 16, t259=50_001), "packed in a rare way"),
    "runs.bmp": (hostile.bmp(30_000, -30_000), "BMP of 30000 x 30000 pixels"),
    "large.webp": (hostile.webp(16_000, 16_000), "WebP of 16000 x 16000 pixels"),
    "large.ppm": (b"P6 # P6 1 1\n30000 30000 255\n\0\0\0", "PNM of 30000 x 30000 pixels"),
    "avif.jpg": (b"\xff\xd8\xff\0ftypavif" + bytes(100), "expected JPEG, PNG, WebP, TIFF, BMP or PNM"),
    "j2k.png": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100), "expected JPEG, PNG, WebP, TIFF, BMP or PNM"),
}


def in_a_child(code: str, *arguments: str | Path) -> list[str]:
    """Run code that may take at most a gibibyte of address space; return what it prints."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # each thread takes address space
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_is_large_costs_nothing(tmp_path: Path, name: str) -> None:
    data, why = BOMBS[name]
    (tmp_path / name).write_bytes(data)
    assert len(data) < 200_000
    said, grown_mib = in_a_child(_READ, tmp_path / name)
    assert why in said
    assert int(grown_mib) < 8


@pytest.mark.parametrize(
    "data",
    [
        hostile.jpeg(6000, 4000),
        hostile.jpeg(6000, 4000, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        hostile.png_of_zeros(5000, 5000),
    ],
    ids=["plain", "progressive", "png"],
)
def test_at_the_gate_a_picture_costs_what_the_gate_says(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    shape, grown_mib = in_a_child(_READ, tmp_path / "a.jpg")
    assert shape.startswith("(")
    assert int(grown_mib) < PictureLimits().decoding_bytes // _MIB + 12


def test_what_a_png_has_beside_its_picture_is_not_unpacked(tmp_path: Path) -> None:
    bomb = hostile.png_of_zeros(16, 16, *itertools.repeat(hostile.text_bomb(7), 100))
    (tmp_path / "a.png").write_bytes(bomb)
    shape, grown_mib = in_a_child(_READ, tmp_path / "a.png")
    assert shape == "(16, 16, 3)"
    assert int(grown_mib) < 8


def test_a_file_is_not_read_beyond_what_a_picture_can_have(tmp_path: Path) -> None:
    with (tmp_path / "a.bmp").open("wb") as file:
        file.write(hostile.bmp(16, 16))
        file.truncate(4 << 30)  # takes no space
    said, grown_mib = in_a_child(_READ, tmp_path / "a.bmp")
    assert "is larger than 96 MiB" in said
    assert int(grown_mib) < 110


def test_who_has_large_pictures_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(hostile.jpeg(1500, 1000))
    with pytest.raises(PictureError, match=r"1\.5 million: at most 1 million"):
        read_picture(path, PictureLimits(1.0))
    with pytest.raises(PictureError, match=r"a\.jpg is a JPEG of 1500 x 1000 pixels"):
        open_source(f"{path}?max_megapixels=1", camera_id="c")
    source = open_source(f"{path}?max_megapixels=1.5", camera_id="c", limits=PictureLimits(1.0))
    assert next(iter(source)).pixels.shape == (1000, 1500, 3)
    with pytest.raises(PictureError):
        open_source(f"replay:{path}", camera_id="c", limits=PictureLimits(1.0))


@pytest.mark.parametrize("text", ["0.5", "101", "many", "nan", "inf", "-1", ""])
def test_a_size_that_makes_no_sense_is_a_usage_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.jpg").write_bytes(hostile.jpeg())
    with pytest.raises(UsageError, match="expected millions of pixels, 1 to 100"):
        open_source(f"{tmp_path / 'a.jpg'}?max_megapixels={text}", camera_id="c")


@pytest.mark.parametrize("size", [(6000, 6000), (12_000, 12_000), (30_000, 30_000)])
def test_a_mask_is_measured_too(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "a.png").write_bytes(hostile.png_of_zeros(*size))
    with pytest.raises(PictureError, match="mask"):
        read_mask(tmp_path / "a.png")


class TestBackstop:
    def test_a_lower_bound_of_the_users_stays(self) -> None:
        given = {"OPENCV_IO_MAX_IMAGE_PIXELS": "1000", "OPENCV_IO_MAX_IMAGE_WIDTH": "9999999999"}
        bound_opencv(given)
        assert given == {
            "OPENCV_IO_MAX_IMAGE_PIXELS": "1000",
            "OPENCV_IO_MAX_IMAGE_WIDTH": "1048576",
            "OPENCV_IO_MAX_IMAGE_HEIGHT": "1048576",
        }

    @pytest.mark.parametrize("text", ["", "many", "0", "-5", "1e9"])
    def test_what_opencv_would_choke_on_is_replaced(self, text: str) -> None:
        given = {"OPENCV_IO_MAX_IMAGE_PIXELS": text}
        bound_opencv(given)
        assert given["OPENCV_IO_MAX_IMAGE_PIXELS"] == "100000000"

    def test_opencv_holds_to_it_in_children_as_well(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(hostile.png_of_zeros(12_000, 12_000))
        code = (
            "import os, subprocess, sys; from mnv2_edge.__main__ import main; main(['--version'])\n"
            "child = 'import cv2, sys; cv2.imread(sys.argv[1])'\n"
            "print(subprocess.run([sys.executable, '-c', child, sys.argv[1]], capture_output=True, text=True).stderr)"
        )
        assert any("CV_IO_MAX_IMAGE_PIXELS" in line for line in in_a_child(code, tmp_path / "a.png"))

    def test_its_word_is_a_line_of_ours(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").write_bytes(hostile.jpeg(1500, 1000))
        code = "import os; os.environ['OPENCV_IO_MAX_IMAGE_PIXELS'] = '1000'\n" + _READ
        said = in_a_child(code, tmp_path / "a.jpg")[0]
        assert "a.jpg is a JPEG of 1500 x 1000 pixels, more than OPENCV_IO_MAX_IMAGE_PIXELS allows" in said

    def test_memory_that_is_not_there_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").write_bytes(hostile.jpeg(5000, 5000))
        code = "import resource\n" + _READ.replace(
            "before =", "kept = kib('VmSize') * 1024 + (100 << 20)\nbefore ="
        ).replace("try:", "resource.setrlimit(resource.RLIMIT_AS, (kept, kept))\ntry:")
        assert "the 143 MiB to decode it are not there" in in_a_child(code, tmp_path / "a.jpg")[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--camera", "{folder}/bomb.jpg"),
        ("run", "--camera", "replay:{folder}/bomb.jpg"),
        ("cameras", "test", "{folder}/bomb.jpg"),
        ("build-engine", "{model}", "--calibration", "{folder}/bomb.jpg"),
        ("build-engine", "{model}", "--calibration", "{folder}/bombs"),
    ],
)
def test_every_command_says_so_in_a_line(tmp_path: Path, arguments: Sequence[str], root: Path) -> None:
    (tmp_path / "bombs").mkdir()
    for place in (tmp_path, tmp_path / "bombs"):
        (place / "bomb.jpg").write_bytes(BOMBS["junk.jpg"][0])
    model = root / "engines" / "mnv2_engines" / "demo" / "demo.onnx"
    done = call(*(part.format(model=model, folder=tmp_path) for part in arguments), home=tmp_path)
    assert done.returncode == 69
    assert "bomb.jpg is a JPEG of 30000 x 30000 pixels, 900 million" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_picture_of_one_pixel_too_many_is_refused_and_one_less_is_not() -> None:
    row = np.zeros((1, 1_000_001, 3), np.uint8)
    for pixels, fits in ((row, False), (row[:, :1_000_000], True)):
        data = bytes(cv2.imencode(".bmp", pixels)[1])
        if fits:
            assert decode_picture(data, PictureLimits(1.0)).shape == (1, 1_000_000, 3)
        else:
            with pytest.raises(PictureError, match="1000001 x 1"):
                decode_picture(data, PictureLimits(1.0))


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Write a film of 1.2 megapixels."""
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (1200, 1000))
    for _ in range(2):
        writer.write(np.zeros((1000, 1200, 3), np.uint8))
    writer.release()
    return tmp_path / "film.avi"


def test_a_video_of_large_frames_is_refused(film: Path) -> None:
    with pytest.raises(PictureError, match=r"is a video of 1200 x 1000 pixels, 1\.2 million: at most 1 million"):
        open_source(f"{film}?max_megapixels=1", camera_id="c")
    with closing(open_source(f"{film}?max_megapixels=1.2", camera_id="c")) as source:
        assert next(iter(source)).pixels.shape == (1000, 1200, 3)


def test_a_stream_of_large_frames_is_refused(film: Path) -> None:
    av = pytest.importorskip("av", reason="pip install 'mnv2-edge[rtsp]'")

    def open_stream(limits: PictureLimits) -> AvSource:
        return AvSource(av, str(film), "it", "c", options={}, timeout_s=5, keyframes_only=False, limits=limits)

    with pytest.raises(PictureError, match="it gives pictures of 1200 x 1000 pixels"):
        open_stream(PictureLimits(1.0))
    with closing(open_stream(PictureLimits(1.2))) as source:
        assert next(iter(source)).pixels.shape == (1000, 1200, 3)


def test_a_pipeline_of_large_frames_is_refused() -> None:
    need_gstreamer("videotestsrc")
    options = SourceOptions("gst:videotestsrc ! video/x-raw,width=1200,height=1000", "c", limits=PictureLimits(1.0))
    with pytest.raises(PictureError, match="gst pipeline gives pictures of 1200 x 1000 pixels"):
        open_gst(options)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--config", "{folder}/config.yaml"),
        ("build-engine", "{model}", "--calibration", "{folder}/photos", "--max-megapixels", "1"),
        ("build-engine", "{model}", "--calibration", "{folder}/photos?max_megapixels=1"),
        ("build-engine", "{model}", "--calibration", "{folder}/small", "--validation", "{folder}/photos",
         "--max-megapixels", "1"),
        ("evaluate", "--data", "{folder}/data", "--max-megapixels", "1"),
    ],
)  # fmt: skip
def test_every_command_can_be_told_how_large_pictures_may_be(
    tmp_path: Path, arguments: Sequence[str], root: Path
) -> None:
    for folder, size in (("photos", (1500, 1000)), ("small", (150, 100)), ("data/stop", (1500, 1000))):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.jpg").write_bytes(hostile.jpeg(*size))
    (tmp_path / "config.yaml").write_text(
        f"version: 1\ncameras: [{{uri: '{tmp_path}/photos/a.jpg', max_megapixels: 1}}]\n"
    )
    model = root / "engines" / "mnv2_engines" / "demo" / "demo.onnx"
    done = call(*(part.format(model=model, folder=tmp_path) for part in arguments), home=tmp_path)
    assert done.returncode == 69, done.stderr
    assert "a.jpg is a JPEG of 1500 x 1000 pixels, 1.5 million: at most 1 million" in done.stderr
