"""Cameras are found, named so that they stay the same, tried, and mended or left."""

import pytest

from mnv2_edge.cameras.ribbon import RibbonCamera, RibbonCameras
from mnv2_edge.config.model import CameraConfig, Config
from mnv2_edge.errors import SourceError, SourceLoginError, SourceNotFoundError, SourcePermissionError, UsageError
from mnv2_edge.setup.camera import pick_cameras, take_address
from mnv2_edge.setup.draft import ConfigDraft
from mnv2_edge.setup.prompts import DefaultPrompts
from mnv2_edge.sources.open import open_source
from support.asking import Answers
from support.fakes import FilmSource, HangingSource
from support.mjpeg_server import MjpegServer

NEW = ConfigDraft(Config(version=1), is_new=True)
BUSY = "/dev/video0 is in use by another program: zoom (4711) has it open"


def opening(*results):
    """Return what opens cameras: the first gives the first result, the last one is given again and again."""
    left = list(results)
    opened = []

    def open_it(uri, **options):
        opened.append((uri, options["secret"]))
        result = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(result, Exception):
            raise result
        return result()

    open_it.opened = opened
    return open_it


def good():
    return FilmSource(1000, live=True, endless=True, period_s=0.01)


class TestFinding:
    def test_the_only_camera_goes_by_its_number_which_another_device_has_too(self, having, make_node):
        node = make_node(0, "HD Pro Webcam C920", "usb-C920-video-index0")
        prompts = Answers()
        draft = pick_cameras(NEW, prompts, having(list_cameras=lambda: (node,), open_source=opening(good)))
        assert draft.config.cameras == (CameraConfig(uri="0"),)
        assert prompts.offered == [
            ["HD Pro Webcam C920", "a network camera", "a picture, a folder or a video", "the demo film"]
        ]
        assert "8x8 at " in prompts.text
        assert "mnv2-edge cameras test 0" in prompts.lines

    def test_what_is_shown_to_be_typed_is_quoted_for_the_shell(self, having):
        address = "rtsp://cam/live?channel=1&sub=2"
        prompts = Answers(("Which camera?", "a network"), ("Its address", address), ("What now?", "keep it"))
        pick_cameras(NEW, prompts, having(open_source=opening(SourceError("away"))))
        assert f"mnv2-edge cameras test '{address}'" in prompts.lines

    def test_one_of_several_goes_by_what_stays_when_they_are_plugged_in_otherwise(self, having, make_node):
        nodes = (make_node(0, "C920", "usb-C920"), make_node(1, "C270", "usb-C270"))
        host = having(list_cameras=lambda: nodes, open_source=opening(good))
        draft = pick_cameras(NEW, Answers(("Which camera?", "C270"), ("Another", "no")), host)
        assert [camera.uri for camera in draft.config.cameras] == ["usb:usb-C270"]

    def test_the_others_can_be_added(self, having, make_node):
        nodes = (make_node(0, "C920", "usb-C920"), make_node(1, "C270", "usb-C270"))
        host = having(list_cameras=lambda: nodes, open_source=opening(good))
        prompts = Answers(("Another", "yes"))
        draft = pick_cameras(NEW, prompts, host)
        assert [camera.uri for camera in draft.config.cameras] == ["usb:usb-C920", "usb:usb-C270"]
        assert "C920" not in prompts.offered[1]

    def test_ribbon_cameras_too_and_why_some_are_missing(self, having):
        ribbon = RibbonCamera("picamera:0", "imx708", "/base/i2c", ("4608x2592", "2304x1296"))
        ribbons = RibbonCameras((ribbon,), "libcamera could not be asked")
        prompts = Answers()
        draft = pick_cameras(NEW, prompts, having(list_ribbons=lambda _: ribbons, open_source=opening(good)))
        assert draft.config.cameras[0].uri == "picamera:0"
        assert "libcamera could not be asked" in prompts.lines

    def test_without_any_the_film_is_what_enter_means(self, host):
        draft = pick_cameras(NEW, Answers(), host)
        assert draft.config.cameras == (CameraConfig(uri="demo"),)
        assert not draft.untried


class TestTrouble:
    @pytest.mark.parametrize(
        "error",
        [
            SourceError(BUSY),
            SourcePermissionError("/dev/video0 may not be opened by this user: join the group video"),
            SourceNotFoundError("there is no camera 0"),
        ],
    )
    def test_it_is_said_and_another_is_picked(self, having, make_node, error):
        node = make_node(0, "C920")
        host = having(list_cameras=lambda: (node,), open_source=opening(error, good))
        prompts = Answers(("What now?", "pick another"), ("Which camera?", "C920"), ("Which camera?", "the demo film"))
        assert pick_cameras(NEW, prompts, host).config.cameras[0].uri == "demo"
        assert prompts.troubles == [str(error)]

    def test_the_service_may_be_what_has_it(self, having, make_node, host):
        host.paths.configurations.mkdir(parents=True)
        host.paths.configuration("door").touch()
        prompts = Answers(("What now?", "keep it"))
        pick_cameras(
            NEW, prompts, having(list_cameras=lambda: (make_node(0, "C920"),), open_source=opening(SourceError(BUSY)))
        )
        assert prompts.troubles == [f"{BUSY}; if it is the service: `sudo systemctl stop mnv2-edge@door.service`"]

    def test_it_is_tried_again(self, having, make_node):
        host = having(list_cameras=lambda: (make_node(0, "C920"),), open_source=opening(SourceError(BUSY), good))
        draft = pick_cameras(NEW, Answers(("What now?", "try it again")), host)
        assert (draft.config.cameras[0].uri, draft.untried) == ("0", frozenset())

    def test_it_is_kept_all_the_same(self, having, make_node):
        host = having(list_cameras=lambda: (make_node(0, "C920"),), open_source=opening(SourceError(BUSY)))
        draft = pick_cameras(NEW, Answers(("What now?", "keep it")), host)
        assert (draft.config.cameras, draft.untried) == ((CameraConfig(uri="0", required=False),), {0})

    def test_one_that_opens_and_gives_nothing_is_no_camera(self, having, make_node):
        silent = opening(lambda: FilmSource(0, live=True, endless=True))
        prompts = Answers(("What now?", "keep it"))
        pick_cameras(NEW, prompts, having(list_cameras=lambda: (make_node(0, "C920"),), open_source=silent))
        assert prompts.troubles == ["0: it opens and gives no picture"]

    def test_one_whose_driver_hangs_is_left_behind(self, having, make_node):
        hanging = HangingSource()
        host = having(
            list_cameras=lambda: (make_node(0, "C920"),), open_source=opening(lambda: hanging, good), timeout_s=0.1
        )
        prompts = Answers(("What now?", "try it again"))
        try:
            assert not pick_cameras(NEW, prompts, host).untried
        finally:
            hanging.let_go.set()
        assert prompts.troubles[0].startswith("0 does not answer: its driver hangs.")

    def test_where_nobody_can_be_asked_it_ends_the_setup(self, having, make_node):
        host = having(list_cameras=lambda: (make_node(0, "C920"),), open_source=opening(SourceError(BUSY)))
        with pytest.raises(SourceError, match="in use by another program"):
            pick_cameras(NEW, DefaultPrompts(lambda _text, _mark: None), host)


class TestAddress:
    def test_a_password_is_asked_for_and_stays_out_of_it(self, having):
        opener = opening(good)
        prompts = Answers(
            ("Which camera?", "a network"), ("Its address", "rtsp://ann@cam/stream2"), ("Password of ann", "horse4711")
        )
        draft = pick_cameras(NEW, prompts, having(open_source=opener))
        assert draft.config.cameras[0].uri == "rtsp://ann@cam/stream2"
        assert draft.camera_passwords == {0: "horse4711"}
        assert opener.opened == [("rtsp://ann@cam/stream2", "horse4711")]
        assert "horse4711" not in f"{prompts.text}{draft!r}"

    def test_a_refused_login_is_asked_for_again(self, having):
        opener = opening(SourceLoginError("rtsp://cam/ refuses the login (401)"), good)
        prompts = Answers(
            ("Which camera?", "a network"),
            ("Its address", "rtsp://cam/"),
            ("What now?", "give user"),
            ("User", "bob@home"),
            ("Password of bob@home", "battery17"),
        )
        draft = pick_cameras(NEW, prompts, having(open_source=opener))
        assert draft.config.cameras[0].uri == "rtsp://bob%40home@cam/"
        assert opener.opened[1] == ("rtsp://bob%40home@cam/", "battery17")

    @pytest.mark.parametrize(
        ("text", "uri", "password"),
        [
            ("rtsp://cam/a?b=c", "rtsp://cam/a?b=c", ""),
            ("rtsp://ann:horse%2F1@cam:8554/a", "rtsp://ann@cam:8554/a", "horse/1"),
            ("http://a%40b:w0rd@cam/mjpg?x=y@z", "http://a%40b@cam/mjpg?x=y@z", "w0rd"),
            ("http://cam?x=y@z", "http://cam?x=y@z", ""),
            ("rtsps://[::1]:322/a", "rtsps://[::1]:322/a", ""),
        ],
    )
    def test_a_password_in_it_is_taken_out(self, text, uri, password):
        assert take_address(text) == (uri, password)

    @pytest.mark.parametrize(
        "text", ["cam.local", "rtsp://a b/c", "0", "", "demo", "rtsp://", "http://cam/a?password=horse4711"]
    )
    def test_what_is_none(self, text):
        with pytest.raises(UsageError) as excinfo:
            take_address(text)
        assert "horse4711" not in str(excinfo.value)


def test_a_real_camera_of_the_network_that_wants_a_password(having):
    server = MjpegServer(login="ann:horse4711")
    try:
        prompts = Answers(
            ("Which camera?", "a network"),
            ("Its address", server.url),
            ("What now?", "give user"),
            ("User", "ann"),
            ("Password of ann", "battery17"),
            ("What now?", "give user"),
            ("Password of ann", "horse4711"),
        )
        draft = pick_cameras(NEW, prompts, having())
    finally:
        server.kill()
    assert draft.config.cameras[0].uri == server.url.replace("://", "://ann@")
    assert (draft.camera_passwords, draft.untried) == ({0: "horse4711"}, frozenset())
    assert ["refuses the login" in trouble for trouble in prompts.troubles] == [True, True]
    assert "64x48 at " in prompts.text


class TestExisting:
    def test_what_it_says_is_kept(self, having, make_node):
        node = make_node(0, "C920", "usb-C920")
        camera = CameraConfig(uri=str(node.node.path), id="door", rotate=180, roi=(0, 0, 1, 0.5))
        draft = ConfigDraft(Config(version=1, cameras=(camera,)), is_new=False)
        host = having(list_cameras=lambda: (node,), open_source=opening(good))
        assert pick_cameras(draft, Answers(), host) == draft

    def test_one_that_is_not_here_is_offered_first(self, having):
        draft = ConfigDraft(
            Config(version=1, cameras=(CameraConfig(uri="rtsp://ann@cam/", password_file="/p"),)), is_new=False
        )
        prompts = Answers(("What now?", "keep it"))
        again = pick_cameras(draft, prompts, having(open_source=opening(SourceError("away"))))
        assert prompts.offered[0][0] == "rtsp://ann@cam/"
        assert again.config.cameras == (CameraConfig(uri="rtsp://ann@cam/", password_file="/p", required=False),)

    def test_another_camera_hangs_in_the_same_place_and_has_its_own_password(self, having):
        camera = CameraConfig(uri="rtsp://ann@cam/", id="door", rotate=90, password_file="/p")
        draft = ConfigDraft(Config(version=1, cameras=(camera,)), is_new=False)
        prompts = Answers(("Which camera?", "the demo film"))
        (changed,) = pick_cameras(draft, prompts, having(open_source=open_source)).config.cameras
        assert changed == CameraConfig(uri="demo", id="door", rotate=90)


def test_a_folder_of_pictures_is_named_in_full(having, tmp_path, monkeypatch):
    import cv2
    import numpy as np

    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / "photos" / name), np.full((20, 30, 3), 99, np.uint8))
    monkeypatch.chdir(tmp_path)
    prompts = Answers(("Which camera?", "a picture"), ("Its path", "nowhere"), ("Its path", "photos"))
    draft = pick_cameras(NEW, prompts, having())
    assert draft.config.cameras[0].uri == str(tmp_path / "photos")
    assert "30x20, pictures can be read" in prompts.lines
    assert "there is no nowhere" in prompts.troubles[0]
