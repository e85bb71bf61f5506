"""The cameras among a machine's video nodes, on recorded sysfs trees, and what a node says about itself."""

import errno
import json
import struct
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from mnv2_edge import cameras as devices
from mnv2_edge.cameras import list_cameras, usable_cameras
from mnv2_edge.cameras import ribbon as ribbons
from mnv2_edge.cameras.v4l2_probe import NodeAbilities, ask_abilities, probe_node
from mnv2_edge.cli.cameras import command
from mnv2_edge.errors import SourceNotFoundError, UsageError
from mnv2_edge.sources.usb.node import find_node

MACHINES = ["raspberry-pi-4", "raspberry-pi-5", "jetson-orin-nano", "laptop"]


def unopened(_path):
    """Answer for nodes that this user may not open."""


@pytest.fixture
def build(tmp_path):
    """Return a function that lays out a recorded machine's /sys and /dev and returns their root."""

    def lay_out(machine: str) -> Path:
        description = yaml.safe_load((Path(__file__).parent / "data" / f"{machine}.yaml").read_text())
        (tmp_path / "sys/class/video4linux").mkdir(parents=True)
        (tmp_path / "dev").mkdir()
        for device in description["devices"]:
            lay_out_device(tmp_path, device)
        for kind, links in description["links"].items():
            (tmp_path / "dev/v4l" / kind).mkdir(parents=True)
            for name, number in links.items():
                (tmp_path / "dev/v4l" / kind / name).symlink_to(f"../../video{number}")
        return tmp_path

    return lay_out


def lay_out_device(root: Path, device: dict) -> None:
    folder = root / "sys/devices" / device["path"]
    folder.mkdir(parents=True, exist_ok=True)
    if "driver" in device:
        driver = root / "sys/bus/drivers" / device["driver"]
        driver.mkdir(parents=True, exist_ok=True)
        (folder / "driver").symlink_to(driver)
    if "usb" in device:
        usb = dict(device["usb"])
        parent = next(parent for parent in folder.parents if parent.name == usb.pop("folder"))
        for attribute, value in usb.items():
            (parent / attribute).write_text(f"{value}\n")
    for number, (name, index) in device["nodes"].items():
        node = folder / f"video4linux/video{number}"
        node.mkdir(parents=True)
        (node / "name").write_text(f"{name}\n")
        (node / "index").write_text(f"{index}\n")
        (node / "dev").write_text(f"81:{number}\n")
        if "driver" in device:
            (node / "device").symlink_to(folder)
        (root / f"sys/class/video4linux/video{number}").symlink_to(node)
        (root / f"dev/video{number}").touch()


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("raspberry-pi-4", {"0": ("video1", "usb-046d_0825-video-index0")}),
        ("raspberry-pi-5", {"0": ("video16", "usb-046d_HD_Pro_Webcam_C920_8A5C2D7F-video-index0")}),
        ("jetson-orin-nano", {"0": ("video2", "usb-HD_USB_Camera_HD_USB_Camera_01.00.00-video-index0")}),
        (
            "laptop",
            {
                "0": ("video0", "pci-0000:00:14.0-usb-0:7:1.0-video-index0"),  # its infrared one has the same name
                "1": ("video2", "pci-0000:00:14.0-usb-0:7:1.2-video-index0"),
                "2": ("video4", "pci-0000:00:14.0-usb-0:3:1.0-video-index0"),
                "3": ("video10", None),
            },
        ),
    ],
)
def test_the_usable_cameras_of_a_machine(build, machine, expected):
    found = usable_cameras(list_cameras(build(machine), unopened))
    assert {
        camera.camera: (camera.node.path.name, camera.node.stable.name if camera.node.stable else None)
        for camera in found
    } == expected


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (
            "raspberry-pi-4",
            {
                "ribbon camera: use --camera picamera:0": [0],
                "metadata about the pictures of another node": [2],
                "a video codec": [10, 11, 12, 18, 19, 31],
                "a part of the image processor": [13, 14, 15, 16, 20, 21, 22, 23],
            },
        ),
        (
            "raspberry-pi-5",
            {
                "ribbon camera: use --camera picamera:0": list(range(8)),
                "ribbon camera: use --camera picamera:1": list(range(8, 16)),
                "metadata about the pictures of another node": [17],
                "a video codec": [19],
                "a part of the image processor": list(range(20, 36)),
            },
        ),
        (
            "jetson-orin-nano",
            {
                "ribbon camera: use --camera csi:0": [0],
                "ribbon camera: use --camera csi:1": [1],
                "metadata about the pictures of another node": [3],
            },
        ),
        ("laptop", {"metadata about the pictures of another node": [1, 3, 5]}),
    ],
)
def test_what_is_hidden_and_why(build, machine, expected):
    reasons: dict[str, list[int]] = {}
    for camera in list_cameras(build(machine), unopened):
        if camera.hidden:
            reasons.setdefault(camera.hidden, []).append(int(camera.node.path.name.removeprefix("video")))
    assert reasons == expected


def test_a_usb_camera_is_described(build):
    camera = usable_cameras(list_cameras(build("raspberry-pi-5"), unopened))[0]
    assert (camera.node.usb_id, camera.node.serial, camera.node.driver) == ("046d:082d", "8A5C2D7F", "uvcvideo")


def test_a_machine_without_video_nodes_has_no_cameras(tmp_path):
    assert list_cameras(tmp_path, unopened) == ()


def test_a_node_that_goes_while_it_is_read_does_no_harm(build):
    root = build("laptop")
    (root / "sys/class/video4linux/video0").resolve().joinpath("name").unlink()
    (root / "sys/class/video4linux/video0").resolve().joinpath("index").unlink()
    assert list_cameras(root, unopened)[0].node.name == ""


def test_equal_cameras_are_told_apart_by_their_places(build):
    """Two of a kind without serial numbers: udev gives their one name by-id to either of them."""
    root = build("raspberry-pi-4")
    first = next(camera for camera in list_cameras(root, unopened) if camera.camera == "0")
    usb = {"folder": "1-9", "idVendor": "046d", "idProduct": "0825"}
    twin = {"path": "usb1/1-9/1-9:1.0", "driver": "uvcvideo", "usb": usb, "nodes": {50: (first.node.name, 0)}}
    lay_out_device(root, twin)
    by_path = root / "dev/v4l/by-path"
    (by_path / "usb-0:9:1.0-video-index0").symlink_to("../../video50")
    found = {camera.node.path.name: camera.node for camera in usable_cameras(list_cameras(root, unopened))}
    assert (found["video1"].usb_id, found["video50"].usb_id) == ("046d:0825", "046d:0825")
    assert found["video1"].stable.parent.name == found["video50"].stable.parent.name == "by-path"
    assert found["video1"].stable != found["video50"].stable


def test_links_that_go_while_they_are_read_do_no_harm(build, monkeypatch):
    root = build("laptop")
    by_id = root / "dev/v4l/by-id"
    real = Path.iterdir

    def iterdir(folder):
        """Let udev remove a folder right after it was seen, and a link after it was listed."""
        if folder == by_id:
            raise FileNotFoundError(str(folder))
        listed = list(real(folder))
        if folder.name == "by-path":
            for link in listed[:1]:
                link.unlink()
        return iter(listed)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    stable = [camera.node.stable for camera in usable_cameras(list_cameras(root, unopened))]
    assert len(stable) == 4
    assert sum(link is not None for link in stable) == 2


@pytest.mark.parametrize("name", ["video", "video-1", "video1x", "video\u0661", "v4l-subdev0", "video" + "9" * 40])
def test_entries_that_are_no_nodes_are_passed_over(build, name):
    root = build("raspberry-pi-4")
    before = len(list_cameras(root, unopened))
    (root / "sys/class/video4linux" / name).mkdir()
    assert len(list_cameras(root, unopened)) == before


def test_a_hostile_device_cannot_break_a_line(build):
    """A product name may hold anything: what is shown of it stays on its line."""
    root = build("raspberry-pi-4")
    name = root / "sys/class/video4linux/video1/name"
    name.write_bytes(b"cam\x1b[31m\n\xff\xfe evil\r\n")
    (camera,) = usable_cameras(list_cameras(root, unopened))
    assert camera.node.name.isprintable()


def test_what_a_node_says_of_itself_beats_its_place(build):
    """A second stream of a USB camera is a camera of its own, a codec of an unknown driver is none."""
    answers = {
        "video1": NodeAbilities(captures=True, transforms=False, metadata=False),
        "video2": NodeAbilities(captures=True, transforms=True, metadata=False),
        "video3": NodeAbilities(captures=False, transforms=False, metadata=True),
        "video4": NodeAbilities(captures=False, transforms=False, metadata=False),
    }
    cameras = list_cameras(build("laptop"), lambda path: answers.get(path.name))
    assert [(camera.camera, camera.hidden) for camera in cameras[:5]] == [
        ("0", ""),
        ("1", ""),
        ("", "a video codec"),
        ("", "metadata about the pictures of another node"),
        ("", "it takes pictures in and gives none"),
    ]


@pytest.mark.parametrize("machine", MACHINES)
def test_a_number_stands_for_the_camera_that_the_list_numbers_so(build, machine):
    cameras = list_cameras(build(machine), unopened)
    for camera in usable_cameras(cameras):
        assert find_node(camera.camera, cameras) == camera.node.path


def test_a_number_too_high_says_what_there_is(build):
    cameras = list_cameras(build("raspberry-pi-5"), unopened)
    with pytest.raises(SourceNotFoundError, match=r"no camera 7: 0 is HD Pro Webcam C920 .*picamera:0.*picamera:1"):
        find_node("7", cameras)


@pytest.mark.parametrize(
    ("machine", "number", "advice"),
    [
        ("raspberry-pi-4", 0, "ribbon camera: use --camera picamera:0"),
        ("raspberry-pi-5", 12, "ribbon camera: use --camera picamera:1"),
        ("jetson-orin-nano", 1, "ribbon camera: use --camera csi:1"),
        ("raspberry-pi-4", 14, "a part of the image processor"),
        ("laptop", 3, "metadata about the pictures of another node"),
    ],
)
def test_a_node_without_pictures_is_refused_with_advice(build, machine, number, advice):
    root = build(machine)
    with pytest.raises(UsageError, match=advice):
        find_node(str(root / f"dev/video{number}"), list_cameras(root, unopened))


def test_a_stable_link_is_opened_as_it_is(build):
    root = build("laptop")
    link = root / "dev/v4l/by-path/pci-0000:00:14.0-usb-0:3:1.0-video-index0"
    assert find_node(str(link), list_cameras(root, unopened)) == link
    metadata = root / "dev/v4l/by-id/usb-SunplusIT_Inc_Integrated_Camera_0001-video-index1"
    with pytest.raises(UsageError, match="metadata"):
        find_node(str(metadata), list_cameras(root, unopened))


def test_a_node_that_is_not_there_says_what_is(build):
    with pytest.raises(SourceNotFoundError, match=r"no /dev/video99: 0 is UVC Camera"):
        find_node("/dev/video99", list_cameras(build("raspberry-pi-4"), unopened))


class FakeKernel:
    """Answer the three requests as a driver does: EINVAL behind the last entry, ENOTTY for what it does not know."""

    def __init__(self, device_wide: int, of_node: int, formats: dict[tuple[int, bytes], list[tuple[int, int]] | str]):
        self.capabilities = (device_wide, of_node)
        self.formats = formats

    def __call__(self, request: int, argument: bytearray) -> None:
        number, size = request & 0xFF, request >> 16 & 0x3FFF
        assert request >> 8 & 0xFF == ord("V")
        assert size == len(argument)
        {0: self._querycap, 2: self._enum_fmt, 74: self._enum_framesizes}[number](argument)

    def _querycap(self, argument: bytearray) -> None:
        struct.pack_into("=16s32s32sIII", argument, 0, b"uvcvideo", b"A camera", b"usb-1", 0x060800, *self.capabilities)

    def _enum_fmt(self, argument: bytearray) -> None:
        index, buffer_type = struct.unpack_from("=II", argument)
        codes = [code for kind, code in self.formats if kind == buffer_type]
        if index >= len(codes):
            raise OSError(errno.EINVAL, "no more")
        struct.pack_into("=4s", argument, 44, codes[index])

    def _enum_framesizes(self, argument: bytearray) -> None:
        index, code = struct.unpack_from("=I4s", argument)
        sizes = next(sizes for (_, known), sizes in self.formats.items() if known == code)
        if sizes == "unknown" or (sizes != "range" and index >= len(sizes)):
            raise OSError(errno.EINVAL, "no more")
        if sizes == "range":
            struct.pack_into("=I6I", argument, 8, 3, 32, 1920, 2, 16, 1080, 2)
        else:
            struct.pack_into("=III", argument, 8, 1, *sizes[index])


CAPTURE, META, M2M, DEVICE_CAPS, STREAMING = 0x1, 0x00800000, 0x8000, 0x80000000, 0x04000000


def test_a_usb_cameras_formats_are_read():
    kernel = FakeKernel(
        CAPTURE | META | DEVICE_CAPS,
        CAPTURE | STREAMING,
        {(1, b"MJPG"): [(640, 480), (1920, 1080), (1280, 720)], (1, b"YUYV"): [(640, 480)]},
    )
    abilities = ask_abilities(kernel)
    assert (abilities.captures, abilities.transforms, abilities.metadata) == (True, False, False)
    assert abilities.formats == ("MJPG 1920x1080 1280x720 640x480", "YUYV 640x480")


def test_the_metadata_node_of_the_same_camera_gives_no_pictures():
    abilities = ask_abilities(FakeKernel(CAPTURE | META | DEVICE_CAPS, META | STREAMING, {}))
    assert (abilities.captures, abilities.metadata, abilities.formats) == (False, True, ())


def test_an_old_driver_without_capabilities_of_the_node_counts_by_its_device():
    assert ask_abilities(FakeKernel(CAPTURE, 0, {(1, b"YUYV"): "unknown"})).formats == ("YUYV",)


def test_planar_formats_ranges_and_codecs_are_read():
    codec = ask_abilities(FakeKernel(M2M | 0x1000 | DEVICE_CAPS, M2M | 0x1000, {(9, b"NV12"): "range"}))
    assert codec.transforms
    assert codec.formats == ("NV12 32x16-1920x1080",)


def test_a_file_that_is_no_video_node_is_not_asked(tmp_path):
    (tmp_path / "video0").touch()
    assert probe_node(tmp_path / "video0") is None
    assert probe_node(tmp_path / "video1") is None


@pytest.fixture
def on_machine(build, monkeypatch):
    """Return a function that makes the command line run on a recorded machine, whose node `readable` answers."""

    def pretend(machine: str, readable: str = "", libcamera: ribbons.RibbonCameras | None = None) -> None:
        root = build(machine)
        answer = NodeAbilities(
            captures=True, transforms=False, metadata=False, formats=("MJPG 1280x720", "YUYV 640x480")
        )
        cameras = list_cameras(root, lambda path: answer if path.name == readable else None)
        monkeypatch.setattr(devices, "list_cameras", lambda: cameras)
        answer_of_libcamera = libcamera or ribbons.RibbonCameras((), "picamera2 cannot be imported")
        monkeypatch.setattr(ribbons, "ask_libcamera", lambda: answer_of_libcamera)

    return pretend


def test_the_command_prints_what_to_type(on_machine):
    on_machine("raspberry-pi-4", "video1")
    result = CliRunner().invoke(command, [])
    assert result.exit_code == 0
    header, row = result.stdout.splitlines()
    assert header.split() == ["CAMERA", "NAME", "NODE", "STABLE", "PATH", "FORMATS"]
    assert row.startswith("0 ")
    assert "MJPG 1280x720; YUYV 640x480" in row
    assert "by-id/usb-046d_0825-video-index0" in row
    assert result.stderr.splitlines() == [
        "picamera2 cannot be imported",
        "unicam-image: ribbon camera: use --camera picamera:0",
    ]


IMX708 = {"number": 0, "model": "imx708", "id": "/base/soc/i2c0mux/i2c@1/imx708@1a", "sizes": ["4608x2592", "1536x864"]}
WEBCAM = {"number": 1, "model": "UVC Camera", "id": "/base/scb/pcie@7d500000/usb@0,0-1.2:1.0-046d:0825", "sizes": []}
RIBBON = ribbons.RibbonCamera("picamera:0", IMX708["model"], IMX708["id"], tuple(IMX708["sizes"]))


def test_libcameras_cameras_are_listed_with_what_to_type(on_machine):
    on_machine("raspberry-pi-4", "video1", ribbons.RibbonCameras((RIBBON,), ""))
    result = CliRunner().invoke(command, [])
    assert result.stderr == ""
    _, usb, ribbon = result.stdout.splitlines()
    assert usb.startswith("0 ")
    assert ribbon.split() == [
        "picamera:0", "imx708", "/base/soc/i2c0mux/i2c@1/imx708@1a", "-", "4608x2592", "1536x864"
    ]  # fmt: skip
    entries = json.loads(CliRunner().invoke(command, ["--json"]).stdout)
    assert [(entry["camera"], entry["name"]) for entry in entries] == [
        ("0", "UVC Camera (046d:0825)"),
        ("picamera:0", "imx708"),
    ]
    assert entries[1]["formats"] == IMX708["sizes"]


def test_a_jetsons_ribbon_cameras_are_listed_as_the_kernel_knows_them(on_machine):
    on_machine("jetson-orin-nano")
    result = CliRunner().invoke(command, [])
    rows = [line.split() for line in result.stdout.splitlines()[2:]]
    assert [(row[0], row[1]) for row in rows] == [("csi:0", "imx219"), ("csi:1", "imx219")]
    assert "Argus may count otherwise" in result.stderr


class TestAskingLibcamera:
    def module(self, tmp_path, monkeypatch, code):
        (tmp_path / "substitute.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return "substitute"

    def test_its_own_lines_do_no_harm_and_webcams_are_listed_elsewhere(self, tmp_path, monkeypatch):
        answer = json.dumps({"cameras": [IMX708, WEBCAM], "trouble": ""})
        code = f"import sys\nprint('[0:12] INFO Camera', file=sys.stderr)\nprint('hello')\nprint({answer!r})"
        found = ribbons.ask_libcamera(module=self.module(tmp_path, monkeypatch, code))
        assert found == ribbons.RibbonCameras((RIBBON,), "")

    def test_one_that_hangs_is_given_up(self, tmp_path, monkeypatch):
        module = self.module(tmp_path, monkeypatch, "import time\ntime.sleep(60)")
        answer = ribbons.ask_libcamera(timeout_s=0.5, module=module)
        assert answer.cameras == ()
        assert "no answer within 0.5 s" in answer.trouble

    @pytest.mark.parametrize(
        ("code", "said"),
        [
            ("import os\nos.abort()", "status -6"),
            ("raise SystemExit('numpy.dtype size changed')", "numpy.dtype size changed"),
            ("", "status 0"),
        ],
    )
    def test_one_that_breaks_is_told(self, tmp_path, monkeypatch, code, said):
        answer = ribbons.ask_libcamera(module=self.module(tmp_path, monkeypatch, code))
        assert answer.cameras == ()
        assert said in answer.trouble

    def test_without_picamera2_it_says_what_to_install(self):
        assert "sudo apt install -y python3-picamera2" in ribbons.ask_libcamera().trouble

    def test_nothing_is_asked_where_nothing_speaks_for_it(self, build, monkeypatch):
        def fail():
            raise AssertionError("libcamera was asked")

        monkeypatch.setattr(ribbons, "ask_libcamera", fail)
        cameras = list_cameras(build("laptop"), unopened)
        assert ribbons.list_ribbons(cameras) == ribbons.RibbonCameras((), "")


def test_the_command_shows_hidden_nodes_when_asked(on_machine):
    on_machine("raspberry-pi-5")
    result = CliRunner().invoke(command, ["--all"])
    assert len(result.stdout.splitlines()) == 1 + 35
    assert "ribbon camera: use --camera picamera:1" in result.stdout
    assert "a part of the image processor" in result.stdout


def test_the_command_prints_json(on_machine):
    on_machine("jetson-orin-nano")
    usable = json.loads(CliRunner().invoke(command, ["--json"]).stdout)
    assert [entry["camera"] for entry in usable] == ["0", "csi:0", "csi:1"]
    assert usable[0]["usb_id"] == "32e4:9230"
    everything = json.loads(CliRunner().invoke(command, ["--json", "--all"]).stdout)
    assert [entry["camera"] for entry in everything] == ["csi:0", "csi:1", "0", ""]


@pytest.mark.parametrize("args", [[], ["--all"]])
def test_the_command_says_when_there_is_nothing(monkeypatch, args):
    monkeypatch.setattr(devices, "list_cameras", lambda: ())
    result = CliRunner().invoke(command, args)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "--camera demo" in result.stderr
