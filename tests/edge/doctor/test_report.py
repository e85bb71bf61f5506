"""The archive for a bug report: what helps is in it, and nothing that is nobody's business, wherever it was put."""

import dataclasses
import json
import os
import subprocess
import tarfile
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from mnv2_edge import __main__ as program
from mnv2_edge.cameras import Camera
from mnv2_edge.cameras.video_nodes import VideoNode
from mnv2_edge.config.model import CameraConfig, Config
from mnv2_edge.doctor import Check, Finding
from mnv2_edge.doctor.probe import Probe
from mnv2_edge.doctor.report.archive import FOLDER, write_report
from mnv2_edge.doctor.report.scrub import Scrubber
from mnv2_edge.doctor.service.configured import instance_logins, read_instances
from mnv2_edge.errors import AccessError
from mnv2_edge.plugins import Plugin
from support.boards import board, make_machine, write_files
from support.users import closed_to_us, open_folder

VARIABLES = {
    "MNV2_EDGE_MQTT_PASSWORD": "env-Mqtt-Secret",
    "MNV2_EDGE_CAMERA_PASSWORD": "env Camera Secret",
    "SOME_TOKEN": "env-Other-Token",
    "USER": "annabella",
    "PATH": "/usr/bin",
}
PEM = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\nKeyMaterialKeyMaterial==\n-----END PRIVATE KEY-----\n"
SECRETS = (
    *(value for name, value in VARIABLES.items() if name != "PATH"),
    "uri-User",
    "uri-P@ss/word",
    "uri-P%40ss%2Fword",
    "query-Secret-7",
    "capability-Path",
    "mqtt-User-Name",
    'file Password with spaces and a "quote" and an umlaut ü that goes on and on until a line of YAML would be folded',
    "camera-File-Password",
    "cred-Store-Secret",
    "hooks.example.org",
    "plug-In-Key",
    "PlugInWord",
    "918273645",
    "KeyMaterialKeyMaterial",
    "drop-In-Password",
    "pipeline-Password",
    "pipeline-User",
    "wrong-Place-Password",
    "wrong-Uri-Password",
    "8f14e45fceea167a5a36dedd4bea2543",  # machine-id
    "4fa5c2d81e93b607",  # serial number of the board
    "7d1c3a5e",  # of its card
    "8A5C2D7F",  # of a camera
    "annas-workshop",  # host name
    "Anna's Home Net",
    "Anna Hot Spot",
    "dc:a6:32:01:02:03",
    "dc:a6:32:aa:bb:cc",
    "93.184.216.34",
    "2001:db8:85a3::8a2e:370:7334",
    "my-house.dyndns.example",
    "bearer-Token-Value",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9abc",
    "printed-Plugin-Token",
    "set-In-Unit",
    "loaded-By-Unit",
    "two Words-In-Unit",
    "decrypted-By-Systemd",
    "it's a Quoted-Password",
    "wrong-Plugin-Option",
    "block-Scalar-One",
    "block-Scalar-Two",
    "capability-Of-Plugin",
    "dca632010203",  # the address of wlan0 as others write it
    "1e93b607",  # the end of the board's serial number, as its kernel is told
    "c0ffee00-1234-4abc-9def-0123456789ab",
)
JOURNAL = f"""2026-11-24T10:00:00+0000 mnv2-edge[812]: INFO mnv2_edge.pipeline.capture: camera0 streams
a password that was logged: {SECRETS[0]} and cred-Store-Secret, {SECRETS[10]}, camera-File-Password
rtsp://uri-User:uri-P%40ss%2Fword@my-house.dyndns.example:554/capability-Path?token=query-Secret-7
rtsp://uri-User:uri-P@ss/word@192.168.1.20/capability-Path
Authorization: Bearer bearer-Token-Value
telegram: token=printed-Plugin-Token, "api_key": "printed-Plugin-Token" password = 'printed-Plugin-Token or more'
sessions {SECRETS[29]} c0ffee00-1234-4abc-9def-0123456789ab 8f14e45fceea167a5a36dedd4bea2543
wlan0 dc:a6:32:01:02:03 to dc:a6:32:aa:bb:cc in "Anna's Home Net", Anna Hot Spot, at 93.184.216.34 or
2001:db8:85a3::8a2e:370:7334, as annas-workshop, by annabella in /home/annabella/secret-folder
set-In-Unit loaded-By-Unit two Words-In-Unit decrypted-By-Systemd it's a Quoted-Password wrong-Plugin-Option
block-Scalar-One block-Scalar-Two capability-Of-Plugin DCA632010203 bcm2709.serial=0x1e93b607
plug-In-Key PlugInWord 918273645 drop-In-Password pipeline-Password pipeline-User https://hooks.example.org/services/plug-In-Key
{PEM}\x1b[31mred
"""
KERNEL = (
    "mmc0: card 7d1c3a5e of 4fa5c2d81e93b607 dc:a6:32:01:02:03\nwlan0: joined Anna Hot Spot\nOut of memory: Killed 812"
)
CAMERA = Camera("0", VideoNode(Path("/dev/video0"), "C920", 0, "uvcvideo", "/x", serial="8A5C2D7F"), "", ())


@pytest.fixture
def machine(tmp_path):
    """Return a machine on which somebody has put a secret into every place that takes one."""
    root = tmp_path / "root"
    files = {name: root / "secrets" / name for name in ("mqtt", "camera", "key")}
    write_files(
        root,
        {
            "secrets/mqtt": f"{SECRETS[10]}\n",
            "secrets/camera": "camera-File-Password\n",
            "secrets/key": PEM,
            "etc/credstore/mnv2-edge.door.mqtt-password": "cred-Store-Secret\n",
            "etc/machine-id": "8f14e45fceea167a5a36dedd4bea2543\n",
            "proc/device-tree/serial-number": "4fa5c2d81e93b607\0",
            "proc/sys/kernel/hostname": "annas-workshop\n",
            "sys/class/net/wlan0/address": "dc:a6:32:01:02:03\n",
            "etc/NetworkManager/system-connections/home.nmconnection": "[wifi]\nssid=Anna's Home Net\n[x]\npsk=x\n",
            "etc/wpa_supplicant/wpa_supplicant.conf": 'network={\n  ssid="Anna Hot Spot"\n  psk="none"\n}\n',
            "etc/systemd/system/mnv2-edge@door.service.d/override.conf": (
                '[Service]\nEnvironment="MNV2_EDGE_MQTT_PASSWORD=drop-In-Password"\n'
            ),
            "etc/systemd/system/mnv2-edge@door.service.d/secrets.conf": (
                "[Service]\nSetCredential=mqtt-password:set-In-Unit\n"
                f"LoadCredential=camera-password:{root}/secrets/loaded\n"
                'Environment="MNV2_EDGE_CAMERA_PASSWORD=two Words-In-Unit" OTHER=1\n'
            ),
            "secrets/loaded": "loaded-By-Unit\n",
            "run/credentials/mnv2-edge@door.service/mqtt-password": "decrypted-By-Systemd\n",
            "boot/firmware/config.txt": "# of annabella\ndtoverlay=vc4-kms-v3d,cma-256\nhdmi_group=2\n",
            "etc/mnv2-edge/door.yaml": "version: 1\n",
            "etc/mnv2-edge/broken.yaml": (
                "version: 1\ncameras: [{uri: 'rtsp://a:wrong-Uri-Password@b', rotate: wrong-Place-Password}]\n"
                "password: wrong-Place-Password\n"
                "sinks: [{mqtt: {password: 'it''s a Quoted-Password'}}, {other: {words: wrong-Plugin-Option}}]\n"
                "token: |\n  block-Scalar-One\n  block-Scalar-Two\n"
            ),
        },
    )
    config = Config(
        version=1,
        cameras=(
            CameraConfig(
                uri="rtsp://uri-User:uri-P%40ss%2Fword@my-house.dyndns.example:554/capability-Path?k=query-Secret-7"
            ),
            CameraConfig(
                uri="gst:rtspsrc location=rtsp://a:pipeline-User@h/x user-pw=pipeline-Password ! decodebin ! appsink"
            ),
            CameraConfig(uri="doorbell:capability-Of-Plugin"),
            CameraConfig(uri="http://192.168.1.20:8080/capability-Path", password_file=str(files["camera"])),
        ),
        sinks=(
            {"mqtt": {"uri": "mqtt://mqtt-User-Name@broker.local", "password_file": str(files["mqtt"])}},
            {"mqtt": {"uri": "mqtts://broker", "key_file": str(files["key"]), "cert_file": str(files["key"])}},
            {
                "telegram": {
                    "url": "https://hooks.example.org/services/x",
                    "api": {"key": ["plug-In-Key"]},
                    "pin": 918273645,
                }
            },
            {"other": {"word": "PlugInWord", "loud": True}},
        ),
    )
    instances = tuple(
        dataclasses.replace(one, config=config, trouble="") if one.instance == "door" else one
        for one in read_instances(root)
    )
    commands = {"journalctl --unit": JOURNAL, "journalctl --dmesg": KERNEL, "vcgencmd": "throttled=0x0"}
    return dataclasses.replace(
        board("raspberry-pi-5", root),
        configurations=instances,
        brokers=instance_logins(instances, root),
        list_cameras=lambda: (CAMERA,),
        plugins=(
            Plugin("mnv2_edge.sources", "doorbell", "a:b", "bells 1.0"),
            Plugin("mnv2_edge.sources", "gst", "a:b", "mnv2-edge 0.1.0"),
        ),
        distributions={"opencv-python-headless": "4.11.0.86"},
        run_command=make_machine(root, commands).run_command,
    )


FINDINGS = (
    ("packages", Finding("ok", "opencv-python-headless 4.11.0.86")),
    (
        "broker",
        Finding(
            "fail", "mqtt://my-house.dyndns.example:1883: refuses mqtt-User-Name at 10.0.0.7", "x cred-Store-Secret"
        ),
    ),
)


def write(machine, path: Path) -> dict[str, str]:
    """Write a report, unpack it and return what is in it."""
    write_report(path, machine, FINDINGS, VARIABLES)
    with tarfile.open(path) as archive:
        found = {}
        for member in archive.getmembers():
            assert member.name.startswith(f"{FOLDER}/")
            assert (member.uid, member.uname, member.mode) == (0, "", 0o600)
            found[member.name.partition("/")[2]] = archive.extractfile(member).read().decode()
    return found


def test_no_secret_is_in_any_byte(machine, tmp_path) -> None:
    found = write(machine, tmp_path / "report.tar.gz")
    everything = "\n".join((*found, *found.values())).lower()
    assert {secret for secret in SECRETS if secret.lower() in everything} == set()
    assert "\x1b" not in everything
    assert len(found["journal/door.txt"].splitlines()) > 8  # hidden in place, and not left out with its line


def test_every_secret_would_have_been_there(machine, tmp_path, monkeypatch) -> None:
    """Hold the test above to what it says: without the scrubber, most of them are in the archive."""
    monkeypatch.setattr(Scrubber, "text", lambda _self, text: text)
    everything = "\n".join(write(machine, tmp_path / "report.tar.gz").values())
    planted = [secret for secret in SECRETS if secret in everything]
    assert len(planted) > len(SECRETS) * 0.8, set(SECRETS) - set(planted)


def test_what_helps_is_in_it(machine, tmp_path) -> None:
    found = write(machine, tmp_path / "report.tar.gz")
    assert set(found) == {
        "README.txt",
        "findings.txt",
        "findings.json",
        "versions.json",
        "system.txt",
        "configurations/door.yaml",
        "configurations/broken.yaml",
        "journal/door.txt",
        "journal/broken.txt",
        "kernel.txt",
    }
    assert json.loads(found["versions.json"])["packages"] == {"opencv-python-headless": "4.11.0.86"}
    assert json.loads(found["findings.json"])["failures"] == 1
    assert "4.11.0.86" in found["findings.txt"]
    assert "mqtt://***:1883: refuses *** at 10.0.0.7" in found["findings.txt"]
    assert "Raspberry Pi 5 Model B Rev 1.0" in found["system.txt"]
    assert "dtoverlay=vc4-kms-v3d,cma-256" in found["system.txt"]
    assert "== /sys/class/thermal/thermal_zone0/temp\n54850" in found["system.txt"]
    assert "Out of memory: Killed 812" in found["kernel.txt"]
    assert "joined" not in found["kernel.txt"]
    assert "INFO mnv2_edge.pipeline.capture: camera0 streams" in found["journal/door.txt"]
    door = yaml.safe_load(found["configurations/door.yaml"])
    assert [camera["uri"] for camera in door["cameras"]] == [
        "rtsp://***:554/***",
        "gst:rtspsrc location=rtsp://h/*** user-pw=*** ! decodebin ! appsink",
        "doorbell:***",
        "http://192.168.1.20:8080/***",
    ]
    assert door["sinks"][0]["mqtt"]["uri"] == "mqtt://broker.local"
    assert door["sinks"][2:] == [
        {"telegram": {"url": "***", "api": {"key": ["***"]}, "pin": "***"}},
        {"other": {"word": "***", "loud": True}},
    ]
    assert "broken.yaml:2" in found["configurations/broken.yaml"]
    assert "Look at every file before you send it" in found["README.txt"]


def test_instances_called_as_this_device_are_kept_apart(machine, tmp_path) -> None:
    """Neither their files lie over each other, nor does the list of them tell the name."""
    write_files(machine.root, {"etc/mnv2-edge/annas-workshop.yaml": "version: 1\n"})
    users = "version: 1\nsinks: [{mqtt: {uri: 'mqtt://yard@broker'}}]\n"
    write_files(machine.root, {"etc/mnv2-edge/yard.yaml": users})
    instances = read_instances(machine.root)
    found = write(dataclasses.replace(machine, configurations=instances), tmp_path / "report.tar.gz")
    assert {name for name in found if "/" in name} == {
        f"{folder}/{name}"
        for folder, name in (
            *(("configurations", f"{name}.yaml") for name in ("instance1", "broken", "door", "instance4")),
            *(("journal", f"{name}.txt") for name in ("instance1", "broken", "door", "instance4")),
        )
    }
    assert "workshop" not in found["README.txt"]
    assert "yard" not in found["README.txt"]


def test_what_a_tool_says_goes_into_the_list_without_secrets(machine, tmp_path) -> None:
    def fail(*_command: str, **_limits: float) -> Probe:
        return Probe("", "no journal on annas-workshop")

    found = write(dataclasses.replace(machine, run_command=fail), tmp_path / "report.tar.gz")
    assert "no journal on ***" in found["README.txt"]


def test_half_of_a_machine_is_enough(tmp_path) -> None:
    with open_folder() as root:
        write_files(root, {"etc/mnv2-edge/door.yaml": "version: 1\n"})
        with closed_to_us(root / "etc/mnv2-edge/door.yaml"):
            instances = read_instances(root)
    found = write(make_machine(tmp_path / "nothing", configurations=instances), tmp_path / "report.tar.gz")
    assert "configurations/door.yaml: what is wrong with the configuration of door\n" in found["README.txt"]
    assert "kernel.txt: lines of the kernel's log" in found["README.txt"]
    assert "(not all of it: dmesg cannot be started" in found["README.txt"]


def test_the_file_is_its_owners_alone(machine, tmp_path) -> None:
    path = tmp_path / "report.tar.gz"
    path.write_text("old")
    path.chmod(0o644)
    write(machine, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["report.tar.gz"]


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone may give a file away")
def test_of_sudo_it_is_whose_who_typed_it(machine, tmp_path) -> None:
    """Who else would send it?"""
    path = tmp_path / "report.tar.gz"
    for user, owner in (("4711", 4711), ("nobody knows", 0)):
        variables = {"SUDO_UID": user, "SUDO_GID": "4712"}
        write_report(path, dataclasses.replace(machine, uid=0), FINDINGS, variables)
        assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (owner, 0o600)


def test_a_folder_of_somebody_else(machine, tmp_path) -> None:
    (tmp_path / "closed").mkdir()
    with closed_to_us(tmp_path / "closed"), pytest.raises(AccessError, match="choose a folder of your own"):
        write_report(tmp_path / "closed/report.tar.gz", make_machine(Path("/nowhere")), FINDINGS, {})


class TestCommand:
    @pytest.fixture(autouse=True)
    def here(self, machine, monkeypatch) -> None:
        monkeypatch.setattr("mnv2_edge.doctor.checks.CHECKS", (Check("wall", lambda _: Finding("ok", "it stands")),))
        monkeypatch.setattr("mnv2_edge.doctor.machine.this_machine", lambda *_, **__: machine)

    def test_it_says_what_is_in_it(self, tmp_path, capsys) -> None:
        path = tmp_path / "a report.tar.gz"
        assert program.main(["doctor", "--report", str(path)]) == 0
        out = capsys.readouterr().out
        assert f"{path} is written" in out
        assert "  journal/door.txt " in out
        assert "Nothing was sent." in out
        command = out.splitlines()[-1].strip().replace("less", "cat")
        done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, check=False)
        assert b"it stands" in done.stdout
        assert done.returncode == 0

    def test_json_stays_json(self, tmp_path, capsys) -> None:
        assert program.main(["doctor", "--json", "--report", str(tmp_path / "r.tar.gz")]) == 0
        captured = capsys.readouterr()
        assert json.loads(captured.out)["healthy"] is True
        assert "Nothing was sent." in captured.err

    def test_what_is_there_is_written_over_only_when_asked(self, tmp_path, capsys) -> None:
        path = tmp_path / "r.tar.gz"
        path.write_text("mine")
        assert program.main(["doctor", "--report", str(path)]) == 2
        assert "write over it with --force" in capsys.readouterr().err
        assert path.read_text() == "mine"
        assert program.main(["doctor", "--report", str(path), "--force"]) == 0
        assert tarfile.is_tarfile(path)

    @pytest.mark.parametrize("place", ["", "below/"])
    def test_a_folder_of_somebody_else(self, capsys, place) -> None:
        with open_folder() as folder:
            (folder / "closed/below").mkdir(parents=True)
            with closed_to_us(folder / "closed"):
                status = program.main(["doctor", "--report", f"{folder}/closed/{place}r.tar.gz"])
        assert status == 77
        assert "choose a folder of your own" in capsys.readouterr().err

    def test_a_folder_that_is_not_there(self, tmp_path, capsys) -> None:
        assert program.main(["doctor", "--report", str(tmp_path / "gone/r.tar.gz")]) == 2
        assert "is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12:30:45 10.1.2.3 192.168.0.1:1883 127.0.0.1 ::1", "12:30:45 10.1.2.3 192.168.0.1:1883 127.0.0.1 ::1"),
        ("8.8.8.8, fe80::1 and mqtt://8.8.8.8:1883", "***, *** and mqtt://***:1883"),
        ("mqtt://localhost:1883/a mqtts://broker", "mqtt://localhost:1883/*** mqtts://broker"),
        ("mqtt://[::1]:1883 mqtt://[2001:db8::1]:1883", "mqtt://[::1]:1883 mqtt://***:1883"),
        ("GET /x?password=a&b=2", "GET /x?password=***"),
        ("secrets    ok   no file", "secrets    ok   no file"),
        ("/home/anna/x and /media/anna/stick", "/home/***/x and /media/***/stick"),
        ("version 4.11.0.86 of cv2", "version 4.11.0.86 of cv2"),
        ("/var/home/anna/x", "/var/home/***/x"),
        ("::ffff:8.8.8.8 and ::ffff:10.0.0.1", "*** and ***"),
        ('Authorization: Digest username="anna", response="d41d8c"\nnext', "Authorization:***\nnext"),
        ("{'Authorization': 'Basic YW5uYTpwdw=='}", "{'Authorization':***"),
        ("got bearer abc.def.ghi1", "got bearer ***"),
        ("mosquitto_pub --password 'two words' -t x", "mosquitto_pub --password *** -t x"),
        ("login as anna:geheim@192.168.1.2", "login as ***@192.168.1.2"),
        ("  password: |\n    gehe\n    heim\n  user: x", "  password: ***\n    ***\n  user: x"),
        ("--camera 'replay:film.mp4?faults=stall@10+8'", "--camera 'replay:film.mp4?faults=stall@10+8'"),
        ("libnvinfer 8.6.2.3-1+cuda12.2", "libnvinfer 8.6.2.3-1+cuda12.2"),
        ("mnv2-edge@door.service: 10:15 at me@broker", "mnv2-edge@door.service: 10:15 at me@broker"),
    ],
)
def test_shapes(text, expected) -> None:
    assert Scrubber([], [], ["4.11.0.86"]).text(text) == expected


def test_a_very_long_word_is_no_trouble() -> None:
    """As a plug-in may log a picture in base64: no pattern may look at it from each of its letters on."""
    for letters in ("aB3-", "password", "a.", "x://", "1:"):
        text = letters * (100_000 // len(letters))
        assert len(Scrubber(["secret"], ["name"]).text(text)) <= len(text)


@pytest.mark.parametrize(
    "text",
    [
        "password: 2024-99-99\n",
        "a: &a [x, x]\n"
        + "".join(f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in pairwise("abcdefghij")),
        "? [a]\n: b\n",
        "[" * 5000,
        "a: &a [*a]\npassword: *a\n",
    ],
)
def test_no_yaml_stops_a_report(tmp_path, text) -> None:
    root = write_files(tmp_path / "root", {"etc/mnv2-edge/door.yaml": text})
    machine = make_machine(root, {"journalctl --unit": "on 2024-99-99"}, configurations=read_instances(root))
    journal = write(machine, tmp_path / "report.tar.gz")["journal/door.txt"]
    assert journal == ("on ***\n" if "2024" in text else "on 2024-99-99\n")


def test_a_user_called_as_this_program_does_not_blot_it_out(tmp_path) -> None:
    root = write_files(
        tmp_path / "root",
        {"etc/mnv2-edge/door.yaml": "version: 1\nsinks: [{mqtt: {uri: 'mqtt://mnv2-edge@broker'}}]\n"},
    )
    instances = read_instances(root)
    machine = make_machine(root, configurations=instances, brokers=instance_logins(instances, root))
    assert "mnv2-edge 0." in write(machine, tmp_path / "report.tar.gz")["README.txt"]
    assert '"mnv2-edge": "' in write(machine, tmp_path / "report.tar.gz")["versions.json"]


def test_instances_are_known_when_another_file_is_looked_at(machine, tmp_path) -> None:
    """Their logs are in the report all the same."""
    other = dataclasses.replace(
        machine.configurations[0], file=tmp_path / "other.yaml", instance="", config=Config(version=1)
    )
    write_files(
        machine.root, {"etc/mnv2-edge/yard.yaml": "version: 1\ncameras: [{uri: 'rtsp://joe@h/?t=yard-Secret'}]\n"}
    )
    commands = {"journalctl --unit": "yard-Secret"}
    looking = dataclasses.replace(
        machine, configurations=(other,), run_command=make_machine(machine.root, commands).run_command
    )
    assert write(looking, tmp_path / "report.tar.gz")["journal/yard.txt"] == "***\n"
