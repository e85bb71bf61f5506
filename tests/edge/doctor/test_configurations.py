"""What the doctor makes of the service's own configurations, and of the secrets that they name."""

import dataclasses
import os
from pathlib import Path

import pytest

from mnv2_edge.cameras import Camera
from mnv2_edge.cameras.video_nodes import VideoNode
from mnv2_edge.config.read import read_config
from mnv2_edge.doctor import Finding, Fix, combine
from mnv2_edge.doctor.connections.broker_login import LoginFailure
from mnv2_edge.doctor.device.cameras import check_ribbon_cameras
from mnv2_edge.doctor.device.hardware import check_broker, check_cameras
from mnv2_edge.doctor.probe import Probe
from mnv2_edge.doctor.service.configurations import check_configurations, check_secrets
from mnv2_edge.doctor.service.configured import Configured, instance_logins, read_instances
from mnv2_edge.doctor.service.instances import check_service
from mnv2_edge.service.systemd import UnitState
from support.boards import make_machine, write_files
from support.users import closed_to_us, open_folder

DOOR = "version: 1\nsinks: [{mqtt: {uri: 'mqtt://me@broker'}}]\n"
RUNS = UnitState("active", "running", "success", None, 0, "30 frames/s", starts_at_boot=True)
FAILED = dataclasses.replace(RUNS, state="failed", sub="failed", result="exit-code", exit_status=65, status="")


@pytest.fixture
def root():
    with open_folder() as folder:
        yield write_files(folder, {"etc/mnv2-edge/door.yaml": DOOR, "etc/mnv2-edge/notes.txt": "mine"})


def look(root, check, **changes):
    configurations = read_instances(root)
    brokers = instance_logins(configurations, root)
    settings = {"configurations": configurations, "brokers": brokers, "uid": 0} | changes
    return check(make_machine(root, **settings))


class TestConfigurations:
    def test_a_good_one(self, root) -> None:
        assert look(root, check_configurations).why == "door is as it should be"

    def test_a_wrong_one_is_named_with_its_line(self, root) -> None:
        write_files(root, {"etc/mnv2-edge/yard.yaml": "version: 1\ncameras: 3\nsinc: 4\n"})
        finding = look(root, check_configurations)
        assert finding.verdict == "fail"
        assert "yard.yaml:2" in finding.why
        assert finding.why.endswith("(and 1 more)")
        assert finding.mend == f"mnv2-edge config check {root}/etc/mnv2-edge/yard.yaml"

    def test_what_may_not_be_read_is_a_warning(self, root) -> None:
        file = root / "etc/mnv2-edge/door.yaml"
        with closed_to_us(file):
            configurations = read_instances(root)
        assert configurations[0].forbidden
        finding = check_configurations(make_machine(root, configurations=configurations))
        assert (finding.verdict, finding.mend) == ("warn", "sudo mnv2-edge doctor")

    def test_none(self, tmp_path) -> None:
        assert look(tmp_path, check_configurations).verdict == "ok"


class TestBrokers:
    def test_the_instance_is_named_and_its_password_used(self, root) -> None:
        write_files(root, {"etc/credstore/mnv2-edge.door.mqtt-password": "swordfish\n"})
        asked = []
        finding = look(root, check_broker, log_in=asked.append)
        assert (finding.verdict, finding.why) == ("ok", "mqtt://broker:1883 (door) lets us in")
        assert [(login.broker.user, login.password) for login in asked] == [("me", "swordfish")]

    def test_the_same_login_of_two_instances_is_tried_once(self, root) -> None:
        write_files(root, {"etc/mnv2-edge/yard.yaml": DOOR})
        asked = []
        finding = look(root, check_broker, log_in=asked.append)
        assert finding.why == "mqtt://broker:1883 (door, yard) lets us in"
        assert len(asked) == 1

    def test_every_broker_that_does_not_let_us_in_is_told_of(self, root) -> None:
        write_files(root, {"etc/mnv2-edge/yard.yaml": DOOR.replace("broker", "other")})
        finding = look(root, check_broker, log_in=lambda _: LoginFailure("no", "knock"))
        assert finding.why == "mqtt://broker:1883 (door): no; mqtt://other:1883 (yard): no"
        assert (finding.verdict, finding.mend) == ("fail", "knock")

    def test_a_password_that_only_root_may_read(self, root) -> None:
        write_files(root, {"etc/credstore/mnv2-edge.door.mqtt-password": "swordfish\n"})
        with closed_to_us(root / "etc/credstore"):
            configurations = read_instances(root)
            brokers = instance_logins(configurations, root)
        refused = make_machine(root, brokers=brokers, log_in=lambda _: LoginFailure("it refuses", "x"))
        finding = check_broker(refused)
        assert (finding.verdict, finding.mend) == ("warn", "sudo mnv2-edge doctor")
        assert "root alone may read its password or certificate: it refuses" in finding.why
        assert check_broker(dataclasses.replace(refused, log_in=lambda _: None)).verdict == "ok"

    def test_a_password_file_that_is_gone_is_a_fault(self, root) -> None:
        text = DOOR.replace("me@broker'", "me@broker', password_file: /nowhere/password")
        write_files(root, {"etc/mnv2-edge/door.yaml": text})
        finding = look(root, check_broker)
        assert finding.verdict == "fail"
        assert "/nowhere/password cannot be read" in finding.why


class TestSecrets:
    def test_open_ones_are_found_and_can_be_closed(self, root) -> None:
        write_files(root, {"etc/credstore/mnv2-edge.door.mqtt-password": "swordfish\n"})
        file = root / "etc/credstore/mnv2-edge.door.mqtt-password"
        file.chmod(0o644)
        finding = look(root, check_secrets, uid=file.stat().st_uid)
        assert finding.verdict == "warn"
        assert "is open to every user of this machine (-rw-r--r--)" in finding.why
        assert [(fix.command, fix.root) for fix in finding.fixes] == [(("chmod", "o=", str(file)), False)]
        assert look(root, check_secrets, uid=4711).mend == f"sudo chmod o= {file}"
        file.chmod(0o640)
        assert look(root, check_secrets).verdict == "ok"

    def test_those_that_a_configuration_names(self, root, tmp_path) -> None:
        password = tmp_path / "camera-password"
        password.write_text("x")
        password.chmod(0o604)
        write_files(root, {"etc/mnv2-edge/door.yaml": f"version: 1\ncameras: [{{password_file: {password}}}]\n"})
        assert str(password) in look(root, check_secrets).why
        password.unlink()
        assert look(root, check_secrets).verdict == "fail"

    @pytest.fixture
    def service(self, root):
        """Give a password of the service to a user and a group, and look at it."""
        password = root / "password"
        password.write_text("x")
        camera = f"version: 1\ncameras: [{{password_file: {password}}}]\n"
        write_files(root, {"etc/mnv2-edge/door.yaml": camera})
        if os.geteuid() == 0:
            os.chown(password, 4321, 4322)
        us = password.stat()

        def give(user: int, group: int, mode: int) -> Finding:
            password.chmod(mode)
            accounts = f"root:x:0:0::/:/bin/sh\nus:x:{us.st_uid}:{us.st_gid}::/:\nmnv2-edge:x:{user}:{group}::/:\n"
            write_files(root, {"etc/passwd": accounts})
            return look(root, check_secrets)

        give.owner, give.group = us.st_uid, us.st_gid
        return give

    def test_one_that_the_service_reads_as_everybody_does_stays_so(self, root, service) -> None:
        """Without that right it could not log in any more: `service install` leaves such a file where it is."""
        finding = service(4711, 4712, 0o644)
        assert (finding.verdict, finding.fixes) == ("warn", ())
        assert finding.mend == f"sudo chgrp mnv2-edge {root}/password\nsudo chmod 640 {root}/password"
        assert service(4711, service.group, 0o604).fixes == ()

    def test_one_that_the_services_group_reads_is_closed_to_others(self, service) -> None:
        assert service(4711, service.group, 0o644).fixes

    def test_root_closes_what_is_the_services_as_its_user(self, root, service) -> None:
        """Who owns a folder may put a link to any file there at any moment, and chmod follows it."""
        finding = service(service.owner, service.group, 0o644)
        (fix,) = finding.fixes
        assert (fix.command[:2], fix.command[3:]) == (("runuser", "-u"), ("--", "chmod", "o=", f"{root}/password"))
        assert fix.root

    def test_one_of_a_named_file_that_we_read_as_everybody_does_stays_so(self, root) -> None:
        password = root / "password"
        password.write_text("x")
        password.chmod(0o644)
        named = (
            write_files(root, {"mine.yaml": f"version: 1\ncameras: [{{password_file: {password}}}]\n"}) / "mine.yaml"
        )
        configured = Configured(named, "", read_config(named))
        finding = look(root, check_secrets, configurations=(configured,), uid=4711)
        assert (finding.verdict, finding.fixes) == ("warn", ())
        assert look(root, check_secrets, configurations=(configured,), uid=password.stat().st_uid).fixes

    def test_hidden_ones_are_well(self, root) -> None:
        camera = f"version: 1\ncameras: [{{password_file: {root}/closed/password}}]\n"
        write_files(root, {"closed/password": "x", "etc/mnv2-edge/door.yaml": camera})
        configurations = read_instances(root)
        with closed_to_us(root / "closed"):
            finding = check_secrets(make_machine(root, configurations=configurations))
        assert finding.verdict == "ok"

    def test_the_store_of_secrets_may_be_closed(self, root) -> None:
        write_files(root, {"etc/credstore/mnv2-edge.door.mqtt-password": "swordfish\n"})
        machine = make_machine(root)
        with closed_to_us(root / "etc/credstore"):
            finding = check_secrets(machine)
        assert (finding.verdict, finding.why) == ("ok", f"{root}/etc/credstore is closed to others")


class TestService:
    def check(self, root, unit, **changes):
        return look(root, check_service, read_unit=lambda _: unit, **changes)

    def test_what_failed_can_be_started_again(self, root) -> None:
        finding = self.check(root, FAILED)
        assert [(fix.command, fix.root) for fix in finding.fixes] == [
            (("systemctl", "restart", "mnv2-edge@door.service"), True)
        ]

    def test_unless_its_configuration_is_still_wrong(self, root) -> None:
        write_files(root, {"etc/mnv2-edge/door.yaml": "version: 2\n"})
        assert self.check(root, FAILED).fixes == ()

    def test_without_systemd_nobody_knows(self, root) -> None:
        finding = self.check(root, dataclasses.replace(RUNS, state="unknown", sub="", status=""))
        assert (finding.verdict, finding.why) == ("warn", "systemd does not answer, so nothing is known of door")

    def test_what_somebody_stopped_stays_so(self, root) -> None:
        stopped = dataclasses.replace(RUNS, state="inactive", sub="dead", status="")
        finding = self.check(root, stopped)
        assert (finding.verdict, finding.fixes) == ("fail", ())


class TestCameraUsers:
    """The kernel's /proc, with somebody who has a camera open."""

    def use(self, root: Path, name: str) -> Finding:
        node = root / "dev/video0"
        write_files(root, {"dev/video0": "", "proc/4242/comm": f"{name}\n"})
        (root / "proc/4242/fd").mkdir(exist_ok=True)
        (root / "proc/4242/fd/3").symlink_to(node)
        camera = Camera("0", VideoNode(node, "C920", 0, "uvcvideo", "/sys/usb"), "", ())
        return check_cameras(make_machine(root, list_cameras=lambda: (camera,)))

    def test_somebody_else(self, tmp_path) -> None:
        finding = self.use(tmp_path, "firefox")
        assert finding.verdict == "warn"
        assert finding.why.endswith("is in use by firefox (4242)")
        assert finding.mend.startswith("sudo fuser -v")

    def test_our_own_service(self, tmp_path) -> None:
        finding = self.use(tmp_path, "mnv2-edge")
        assert finding.verdict == "ok"
        assert finding.why.endswith(", in use by mnv2-edge (4242)")

    def test_a_ribbon_camera_that_the_service_has(self, root) -> None:
        camera = Camera("picamera:0", VideoNode(Path("/dev/video0"), "unicam", 0, "unicam", "x"), "ribbon", ())
        busy = Probe("", "picamera:0 cannot be opened (busy): does another program use it?")
        changes = {"list_cameras": lambda: (camera,), "run_python": lambda *_: busy}
        mine = "version: 1\ncameras: [{uri: 'picamera:0?size=640x480'}]\n"
        write_files(root, {"etc/mnv2-edge/yard.yaml": mine})
        finding = look(root, check_ribbon_cameras, read_unit=lambda _: RUNS, **changes)
        assert (finding.verdict, finding.why) == ("ok", "picamera:0 is in use by the service's yard")
        assert look(root, check_ribbon_cameras, read_unit=lambda _: FAILED, **changes).verdict == "fail"
        write_files(root, {"etc/mnv2-edge/yard.yaml": mine.replace("picamera:0", "picamera:1")})
        assert look(root, check_ribbon_cameras, read_unit=lambda _: RUNS, **changes).verdict == "fail"

    def test_a_ribbon_camera_that_an_instance_may_have(self, root) -> None:
        """Its configuration is not known to whoever asks."""
        camera = Camera("picamera:0", VideoNode(Path("/dev/video0"), "unicam", 0, "unicam", "x"), "ribbon", ())
        busy = Probe("", "picamera:0 cannot be opened (busy): does another program use it?")
        changes = {"list_cameras": lambda: (camera,), "run_python": lambda *_: busy, "configurations": ()}
        assert look(root, check_ribbon_cameras, read_unit=lambda _: RUNS, **changes).verdict == "ok"


def test_of_several_findings_the_worst_counts() -> None:
    fix = Fix("a", ("b",))
    found = combine(
        [Finding("ok", "x"), Finding("warn", "y", "why", (fix,)), Finding("fail", "z"), Finding("warn", "y")]
    )
    assert found == Finding("fail", "z; y", "why", (fix,))
    assert combine([Finding("ok", "x"), Finding("ok", "z")]) == Finding("ok", "x; z")
