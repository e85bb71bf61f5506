"""Every check on machines that are well and on machines that are not."""

import contextlib
import dataclasses
import json
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from mnv2_edge import __main__ as program
from mnv2_edge.cameras import Camera
from mnv2_edge.cameras.video_nodes import VideoNode
from mnv2_edge.config.model import Config
from mnv2_edge.doctor import Check, Finding, Machine, examine
from mnv2_edge.doctor.checks import CHECKS
from mnv2_edge.doctor.connections.broker_login import BrokerLogin, LoginFailure, log_in
from mnv2_edge.doctor.device.engines import check_engines
from mnv2_edge.doctor.device.hardware import check_broker, check_cameras, check_litert
from mnv2_edge.doctor.device.software import check_opencv, check_packages, check_plugins, check_python
from mnv2_edge.doctor.machine import this_machine
from mnv2_edge.doctor.probe import Probe, run_python
from mnv2_edge.doctor.service.configured import broker_logins
from mnv2_edge.environment import read_environment
from mnv2_edge.errors import ConfigError
from mnv2_edge.host.storage import DiskUsage
from mnv2_edge.plugins import Plugin
from mnv2_edge.sinks.broker import parse_broker
from support.mosquitto import Mosquitto
from support.system import need_command

REPORT = {
    "runtime": "ai-edge-litert 2.3.0",
    "device": "CPU, 1 thread",
    "accelerated": True,
    "fallback_operators": [],
    "hint": "",
}


def usb_camera(number: int = 0) -> Camera:
    path = Path(f"/dev/video{number}")
    return Camera(str(number), VideoNode(path, "C920", 0, "uvcvideo", "/sys/usb"), "", ("MJPG 640x480",))


def well(code: str, *_arguments: str, **_limits: float) -> Probe:
    """Answer what the checks ask a child process, as a machine does on which all is well."""
    if "LiteRtBackend" in code:
        return Probe(json.dumps(REPORT), "")
    if "verify_stored" in code:
        return Probe(
            json.dumps({"default": "signs", "checks": [["birds", "ok", ""], ["signs", "ok", ""]], "open": False}), ""
        )
    return Probe("OpenCV 4.11.0, numpy 1.26.4", "")


@pytest.fixture
def machine(tmp_path):
    """Return a machine on which all is well."""
    engine = tmp_path / "demo.tflite"
    engine.write_bytes(b"TFL3")
    return Machine(
        python=(3, 11, 2),
        distributions={"numpy": "1.26.4", "opencv-python-headless": "4.11.0.86", "click": "8.1.7"},
        requirements=("numpy>=1.24", "click>=8.1", "ai-edge-litert>=2.0; platform_machine != 'armv7l'"),
        plugins=(Plugin("mnv2_edge.sinks", "mqtt", "a:b", "mnv2-edge 0.1.0"),),
        engine=engine,
        home=tmp_path,
        run_python=well,
        run_command=lambda *_: Probe("", "there is no such program"),
        root=tmp_path / "no jetson",
        prefix=tmp_path / "venv",
        bits=64,
        clock_synced=lambda: True,
        usage=lambda _folder: DiskUsage(1, 5 << 30, 100_000),
        list_cameras=lambda: (usb_camera(),),
        may_open=lambda _path: True,
        brokers=(BrokerLogin(parse_broker("mqtt://me@broker:1884")),),
        log_in=lambda _login: None,
    )


def change(machine: Machine, **fields: object) -> Machine:
    return dataclasses.replace(machine, **fields)


def test_a_machine_that_is_well_passes_every_check(machine):
    findings = dict(examine(machine, CHECKS))
    assert {name: finding.verdict for name, finding in findings.items()} == dict.fromkeys(findings, "ok")
    assert all(finding.why and not finding.mend for finding in findings.values())
    assert findings["broker"].why == "mqtt://broker:1884 lets us in"
    assert findings["cameras"].why == "0: C920 (/dev/video0)"


def test_names_are_unique():
    assert len({check.name for check in CHECKS}) == len(CHECKS)


def test_a_check_that_raises_an_error_of_ours_has_failed_and_the_rest_runs(machine):
    def fail(_machine):
        raise ConfigError("file is gone")

    findings = examine(machine, [Check("a", fail), Check("b", check_python)])
    assert findings[0] == ("a", Finding("fail", "file is gone"))
    assert findings[1][1].verdict == "ok"


def test_a_check_that_may_not_look_has_failed_too_and_each_is_announced(machine):
    def fail(_machine):
        raise PermissionError(13, "Permission denied", "/nowhere/x")

    announced = []
    findings = examine(machine, [Check("a", fail), Check("b", check_python)], announced.append)
    assert findings[0][1] == Finding("fail", "/nowhere/x cannot be looked at: Permission denied")
    assert announced == ["a", "b"]


def test_an_old_python(machine):
    finding = check_python(change(machine, python=(3, 9, 2)))
    assert finding.verdict == "fail"
    assert "3.9.2 is too old: 3.10" in finding.why


@pytest.mark.parametrize(
    ("distributions", "verdict", "mend"),
    [
        ({"numpy": "1.24", "click": "8.1.0"}, "ok", ""),
        ({"numpy": "2.0.0rc1", "click": "10.0"}, "ok", ""),
        ({"numpy": "1.9.5", "click": "8.1.7"}, "fail", "pip install 'numpy>=1.24'"),
        ({"numpy": "1.26"}, "fail", "pip install 'click>=8.1'"),
        ({}, "fail", "pip install 'numpy>=1.24' 'click>=8.1'"),
    ],
)
def test_packages_that_are_missing_or_too_old(machine, distributions, verdict, mend):
    finding = check_packages(change(machine, distributions=distributions))
    assert (finding.verdict, finding.mend) == (verdict, mend)


def test_running_from_source_without_installation_is_a_warning(machine):
    finding = check_packages(change(machine, requirements=()))
    assert (finding.verdict, finding.mend) == ("warn", "pip install --editable .")


def test_two_opencvs_overwrite_each_other(machine):
    both = {"opencv-python": "5.0.0.93", "opencv-python-headless": "5.0.0.93"}
    finding = check_opencv(change(machine, distributions=both))
    assert finding.verdict == "fail"
    assert finding.mend == (
        "pip uninstall -y opencv-python opencv-python-headless && pip install opencv-python-headless"
    )


@pytest.mark.parametrize(
    ("trouble", "mend"),
    [
        ("ImportError: numpy.core.multiarray failed to import", "--upgrade"),
        ("ImportError: libGL.so.1: cannot open shared object file", "pip uninstall -y opencv-python &&"),
        ("it crashed with SIGILL", "--force-reinstall"),
    ],
)
def test_an_opencv_that_cannot_be_imported(machine, trouble, mend):
    finding = check_opencv(change(machine, run_python=lambda *_: Probe("", trouble)))
    assert finding.verdict == "fail"
    assert trouble in finding.why
    assert mend in finding.mend


def test_litert_that_does_not_accelerate_is_a_warning(machine):
    slow = REPORT | {"runtime": "tflite-runtime 2.14", "accelerated": False, "hint": "install ai-edge-litert"}
    finding = check_litert(change(machine, run_python=lambda *_: Probe(json.dumps(slow), "")))
    assert finding.verdict == "warn"
    assert "install ai-edge-litert" in finding.why


def test_litert_that_crashes(machine):
    finding = check_litert(change(machine, run_python=lambda *_: Probe("", "it crashed with SIGILL")))
    assert (finding.verdict, finding.mend) == ("fail", "pip install --upgrade ai-edge-litert")
    assert "SIGILL" in finding.why


def test_an_installation_without_its_demo_network(machine):
    finding = check_litert(change(machine, engine=Path("/nowhere/demo.tflite")))
    assert finding.verdict == "fail"
    assert "/nowhere/demo.tflite is missing" in finding.why


def test_a_file_that_is_no_engine_is_refused_in_the_child(machine):
    finding = check_litert(change(machine, run_python=run_python))
    assert finding.verdict == "fail"
    assert str(machine.engine) in finding.why


def test_this_machines_litert_and_opencv_pass(tmp_path):
    here = this_machine((), tmp_path)
    assert check_litert(here).verdict == "ok"
    assert check_opencv(here).verdict == "ok"


class TestEngines:
    def look(self, machine, default, *checks, is_open=False):
        (machine.home / "engines").mkdir()
        answer = Probe(json.dumps({"default": default, "checks": checks, "open": is_open}), "")
        return check_engines(change(machine, run_python=lambda *_, **__: answer))

    def test_all_pass(self, machine):
        finding = self.look(machine, "signs", ("birds", "ok", ""), ("signs", "ok", ""))
        assert (finding.verdict, finding.why) == ("ok", "birds, signs (default): whole, and pass their self-test here")

    def test_one_is_stale(self, machine):
        finding = self.look(machine, "signs", ("birds", "stale", "TensorRT 10 became 11"), ("signs", "ok", ""))
        assert finding.verdict == "fail"
        assert finding.why == "birds is stale: TensorRT 10 became 11"
        assert finding.mend == "mnv2-edge engines rebuild --stale"

    def test_one_that_cannot_be_built_again(self, machine):
        finding = self.look(machine, "signs", ("signs", "failed", "its model is gone"))
        assert (finding.verdict, finding.mend) == ("fail", "")

    def test_others_may_change_them(self, machine):
        finding = self.look(machine, "birds", ("birds", "ok", ""), is_open=True)
        assert (finding.verdict, finding.mend) == ("warn", f"chmod 700 {machine.home / 'engines'}")

    def test_none_is_the_default(self, machine):
        finding = self.look(machine, None, ("birds", "ok", ""))
        assert (finding.verdict, finding.mend) == ("warn", "mnv2-edge engines default birds")

    def test_an_empty_store_and_one_that_is_none(self, machine, tmp_path):
        here = change(machine, run_python=run_python)
        assert check_engines(here).verdict == "ok"
        assert "demo network" in check_engines(here).why
        (tmp_path / "engines").write_text("")
        finding = check_engines(here)
        assert finding.verdict == "fail"
        assert "expected a folder at" in finding.why


def test_no_camera_is_a_warning_and_a_ribbon_camera_is_named(machine):
    finding = check_cameras(change(machine, list_cameras=lambda: ()))
    assert (finding.verdict, finding.mend) == ("warn", "")
    ribbon = dataclasses.replace(usb_camera(), camera="picamera:0", hidden="ribbon camera: use --camera picamera:0")
    finding = check_cameras(change(machine, list_cameras=lambda: (ribbon,)))
    assert (finding.verdict, finding.mend) == ("warn", "mnv2-edge cameras --all")
    assert "use --camera picamera:0" in finding.why


def test_a_camera_of_somebody_else_fails(machine, tmp_path):
    cameras = tuple(
        dataclasses.replace(one, node=dataclasses.replace(one.node, path=tmp_path / one.node.path.name))
        for one in (usb_camera(0), usb_camera(2))
    )
    (tmp_path / "video2").touch()
    closed = change(machine, list_cameras=lambda: cameras, may_open=lambda path: path.name == "video0")
    finding = check_cameras(closed)
    assert (finding.verdict, finding.mend) == ("fail", "sudo usermod -aG video $USER")
    assert f"{tmp_path}/video2" in finding.why


def test_a_container_that_was_not_given_the_camera(machine, tmp_path):
    """It sees the kernel's /sys, and a /dev of its own: no group would help."""
    node = dataclasses.replace(usb_camera().node, path=tmp_path / "video0")
    camera = dataclasses.replace(usb_camera(), node=node)
    finding = check_cameras(change(machine, list_cameras=lambda: (camera,), may_open=lambda _path: False))
    assert (finding.verdict, finding.mend) == ("fail", f"docker run --device {tmp_path}/video0 ...")


def test_a_name_that_two_packages_claim(machine):
    plugins = (
        Plugin("mnv2_edge.sinks", "mqtt", "a:b", "mnv2-edge 0.1.0"),
        Plugin("mnv2_edge.sinks", "mqtt", "c:d", "other 2"),
    )
    finding = check_plugins(change(machine, plugins=plugins))
    assert (finding.verdict, finding.mend) == ("fail", "pip uninstall other")


def test_a_broker_that_refuses(machine):
    trouble = LoginFailure("it refuses the user 'me': Not authorized", "export X=...")
    finding = check_broker(change(machine, log_in=lambda _login: trouble))
    assert finding == Finding("fail", "mqtt://broker:1884: it refuses the user 'me': Not authorized", "export X=...")


def test_without_a_broker_nothing_is_tried(machine):
    assert check_broker(change(machine, brokers=(), log_in=None)).verdict == "ok"


class TestProbe:
    def test_arguments_and_output(self):
        assert run_python("import sys; print(*sys.argv[1:])", "a", "b") == Probe("a b", "")

    def test_the_last_line_of_an_error(self):
        assert run_python("raise ValueError('no')") == Probe("", "ValueError: no")

    def test_a_crash(self):
        assert run_python("import os; os.kill(os.getpid(), 4)").trouble == "it crashed with SIGILL"

    def test_a_hang(self):
        assert run_python("import time; time.sleep(60)", timeout_s=0.3).trouble == "it did not answer within 0.3 s"

    def test_a_silent_end(self):
        assert run_python("raise SystemExit(3)").trouble == "it ended with status 3"


class TestLogin:
    """Against real sockets, and a real broker where there is one."""

    def login(self, port: int, user: str = "", **more: object) -> BrokerLogin:
        return BrokerLogin(parse_broker(f"mqtt://{user}127.0.0.1:{port}"), **more)

    def test_nobody_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        trouble = log_in(self.login(port))
        assert trouble is not None
        assert trouble.why == "it cannot be reached: Connection refused"
        assert "systemctl enable --now mosquitto" in trouble.mend

    def test_a_host_that_does_not_exist(self):
        trouble = log_in(BrokerLogin(parse_broker("mqtt://nosuch.invalid")))
        assert trouble is not None
        assert "cannot be reached" in trouble.why
        assert trouble.mend.startswith("mosquitto_sub -d -h nosuch.invalid")

    def test_somebody_who_says_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            trouble = log_in(self.login(server.getsockname()[1]), timeout_s=0.5)
        assert trouble is not None
        assert trouble.why == "it did not answer within 0.5 s"

    def test_somebody_who_says_nothing_where_tls_is_meant(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            login = BrokerLogin(parse_broker(f"mqtts://127.0.0.1:{port}"), tls=ssl.create_default_context())
            trouble = log_in(login, timeout_s=0.5)
        assert trouble is not None
        assert trouble.why == "no TLS with it: no answer"

    def test_somebody_who_speaks_another_language(self):
        with socket.create_server(("127.0.0.1", 0)) as server:

            def hang_up():
                connection, _ = server.accept()
                connection.recv(100)
                connection.close()

            thread = threading.Thread(target=hang_up)
            thread.start()
            trouble = log_in(self.login(port := server.getsockname()[1]))
            thread.join()
        assert trouble is not None
        assert trouble.why == "it ended the connection without an answer"
        assert trouble.mend == f"mnv2-edge doctor --mqtt mqtts://127.0.0.1:{port}"

    @pytest.fixture
    def start_broker(self, tmp_path):
        with contextlib.ExitStack() as stack:

            def start(settings=""):
                broker = Mosquitto(tmp_path, settings=settings)
                broker.start()
                stack.callback(broker.kill)
                return broker

            yield start

    @pytest.mark.mosquitto
    def test_a_real_broker_lets_us_in(self, start_broker):
        assert log_in(self.login(start_broker().port)) is None

    @pytest.mark.mosquitto
    def test_a_real_broker_wants_a_password(self, start_broker, tmp_path):
        passwords = tmp_path / "passwords"
        program = need_command("mosquitto_passwd", "mosquitto")
        subprocess.run([program, "-b", "-c", str(passwords), "me", "swordfish"], check=True, capture_output=True)
        port = start_broker(f"allow_anonymous false\npassword_file {passwords}").port
        assert log_in(self.login(port, "me@", password="swordfish")) is None
        trouble = log_in(self.login(port, "me@", password="wrong"))
        assert trouble is not None
        assert trouble.why.startswith("it refuses the user 'me'")
        assert trouble.mend == "export MNV2_EDGE_MQTT_PASSWORD=..."
        trouble = log_in(self.login(port))
        assert trouble is not None
        assert "a client without user name" in trouble.why

    @pytest.mark.mosquitto
    def test_tls_with_a_broker_that_has_none(self, start_broker):
        broker = parse_broker(f"mqtts://127.0.0.1:{start_broker().port}")
        trouble = log_in(BrokerLogin(broker, tls=ssl.create_default_context()))
        assert trouble is not None
        assert trouble.why.startswith("no TLS with it")


def test_brokers_come_from_the_configuration_and_the_flag(tmp_path):
    password = tmp_path / "password"
    password.write_text("from-the-file\n")
    config = Config(
        version=1,
        sinks=(
            {"stdout": {}},
            {"mqtt": {"uri": "mqtts://me@one", "password_file": str(password)}},
            {"other": {"uri": "mqtt://not-ours"}},
        ),
    )
    environment = read_environment({"MNV2_EDGE_MQTT_PASSWORD": "from-the-environment"})
    one, two = broker_logins(config, "mqtt://two:1884", environment)
    assert (one.broker.host, one.broker.tls, one.password) == ("one", True, "from-the-environment")
    assert one.tls is not None
    assert broker_logins(config, None, read_environment({}))[0].password == "from-the-file"
    assert (two.broker.host, two.broker.port, two.password) == ("two", 1884, "from-the-environment")
    assert "from-the" not in repr((one, two))


class TestCommand:
    @pytest.fixture
    def here(self, machine, monkeypatch):
        monkeypatch.setattr(
            "mnv2_edge.doctor.machine.this_machine",
            lambda brokers, _home, **_more: change(machine, brokers=brokers),
        )

    def test_all_well(self, here, capsys):
        assert program.main(["doctor"]) == 0
        out = capsys.readouterr().out
        assert [line.split()[0] for line in out.splitlines()[1:-2]] == [check.name for check in CHECKS]
        assert out.splitlines()[-1] == f"all {len(CHECKS)} checks are well"
        assert "To mend it" not in out

    def test_a_failure_is_status_1_and_its_command_is_shown_whole(self, machine, monkeypatch, capsys):
        ill = change(machine, distributions={})
        monkeypatch.setattr("mnv2_edge.doctor.machine.this_machine", lambda *_, **__: ill)
        assert program.main(["doctor"]) == 1
        out = capsys.readouterr().out
        assert "\nTo mend it:\n  packages\n    pip install 'numpy>=1.24' 'click>=8.1'\n" in out
        assert out.splitlines()[-1] == f"1 failure, {len(CHECKS) - 1} checks well"

    def test_a_warning_is_status_0(self, machine, monkeypatch):
        monkeypatch.setattr(
            "mnv2_edge.doctor.machine.this_machine",
            lambda *_, **__: change(machine, list_cameras=lambda: ()),
        )
        assert program.main(["doctor"]) == 0

    def test_json(self, here, capsys):
        assert program.main(["doctor", "--json", "--mqtt", "mqtt://b"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["healthy"] is True
        assert [check["name"] for check in report["checks"]] == [check.name for check in CHECKS]
        broker = next(check for check in report["checks"] if check["name"] == "broker")
        assert broker == {
            "name": "broker",
            "verdict": "ok",
            "why": "mqtt://b:1883 lets us in",
            "mend": "",
        }

    def test_a_password_in_argv_is_refused(self, here, capsys):
        assert program.main(["doctor", "--mqtt", "mqtt://me:swordfish@b"]) == 2
        assert "swordfish" not in capsys.readouterr().err

    def test_a_flag_that_names_no_broker_is_wrong_usage(self, here, capsys):
        assert program.main(["doctor", "--mqtt", "broker.local"]) == 2
        assert "--mqtt: broker 'broker.local' makes no sense: expected mqtt[s]://" in capsys.readouterr().err

    def test_a_wrong_configuration_is_status_78(self, here, tmp_path):
        path = tmp_path / "c.yaml"
        path.write_text("version: 3")
        assert program.main(["doctor", "--config", str(path)]) == 78


def test_nothing_heavy_is_imported_to_look_around():
    """A doctor must work where a library does not: what may crash is imported in child processes alone."""
    code = (
        "import pathlib, sys\nfrom mnv2_edge.doctor.checks import CHECKS\n"
        "from mnv2_edge.doctor.machine import this_machine\n"
        "this_machine((), pathlib.Path())\nprint({'cv2', 'ai_edge_litert', 'onnx', 'numpy'} & set(sys.modules))"
    )
    assert run_python(code).output == "set()"
