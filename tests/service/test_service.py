"""The service on a real systemd: what docs/operations.md says happens, happens.

The tests run in the order in which they stand: they install, use, upgrade and remove one system. Times are held against
what starting takes on this very machine, since it may be busy.
"""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.installed import INSTALL_S, all_files, make_broken_bundle

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

DEMO = "{uri: 'demo?fps=20&size=320x240', id: door}"
WATCHDOG_S, RESTART_S = 15, 0.5


def config(camera: str = DEMO, more: str = "") -> str:
    return (
        f"version: 1\ncameras:\n  - {camera}\n{more}sinks: []\n"
        if "sinks" not in more
        else (f"version: 1\ncameras:\n  - {camera}\n{more}")
    )


MQTT = "sinks:\n  - mqtt: {uri: 'mqtt://localhost'}\n"


class TestInstallation:
    def test_there_is_no_network_and_little_room_in_tmp(self, bare):
        interfaces = bare.run("cat", "/proc/net/dev").stdout.splitlines()[2:]
        assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]
        size = bare.run("df", "--output=size", "/tmp").stdout.split()[-1]
        assert int(size) == 64 * 1024

    def test_a_damaged_bundle_is_refused(self, bare, files_before):
        whole = bytearray((bare.shared / "bundle.tar").read_bytes())
        whole[len(whole) // 2] ^= 1
        (bare.shared / "damaged.tar").write_bytes(whole)
        done = bare.run("/shared/install.sh", "--offline", "/shared/damaged.tar", check=False)
        assert done.returncode == 65
        assert "is damaged" in done.stderr
        assert not {path for path in all_files(bare) - files_before if "/current" in path}

    def test_it_installs_and_again_changes_nothing(self, machine):
        done = machine.run("/shared/install.sh", "--offline", "/shared/bundle.tar", timeout_s=INSTALL_S)
        assert "is there already" in done.stdout
        assert machine.run("mnv2-edge", "--version").stdout.startswith("mnv2-edge ")
        assert machine.run("systemctl", "is-system-running", check=False).stdout.strip() == "running"

    def test_its_systemd_understands_every_line_of_the_units(self, machine):
        done = machine.run(
            "systemd-analyze", "verify", "--man=no", "mnv2-edge@door.service", "mnv2-edge-engines.service"
        )
        assert [line for line in done.stderr.splitlines() if "mnv2-edge" in line] == []

    def test_labels_reach_the_broker(self, machine):
        machine.write("/root/front.yaml", config(more=MQTT))
        done = machine.run("mnv2-edge", "service", "install", "/root/front.yaml")
        assert done.stdout.startswith("front: active, ")
        heard = machine.run("mosquitto_sub", "-t", "mnv2-edge/+/door/result", "-C", "2", "-W", "30").stdout
        assert all(json.loads(line)["summary"] for line in heard.splitlines())
        status = machine.run("mnv2-edge", "service", "status").stdout
        assert "front" in status
        assert "door streaming" in status
        assert machine.show("mnv2-edge@front.service", "UnitFileState")["UnitFileState"] == "enabled"
        assert "streaming" in machine.run("mnv2-edge", "service", "logs", "front").stdout
        machine.run("mnv2-edge", "service", "uninstall", "front")
        assert machine.run("mnv2-edge", "service", "status", "front", check=False).returncode == 2


class TestFaults:
    def test_a_killed_process_is_back_at_once(self, instance):
        one = instance("killed", config())
        start_s = one.start()
        pid = one.pid
        one.machine.run("kill", "-KILL", str(pid))
        assert one.wait_for_another(pid) <= RESTART_S + 2 * start_s + 0.5

    def test_a_hung_inference_is_ended_with_its_stack_in_the_journal(self, instance):
        one = instance("hung", config(more="task: {name: hanging}\n"))
        start_s = one.start()
        one.wait_for_status("streaming")
        pid = one.pid
        one.machine.write("/run/hang-inference", str(pid))
        assert one.wait_for_another(pid) <= WATCHDOG_S + RESTART_S + 2 * start_s + 0.5
        assert one.restarts == 1
        assert "Fatal Python error: Aborted" in one.log
        assert "hanging_task.py" in one.log
        one.wait_for_status("streaming")

    def test_a_hung_capture_needs_no_new_process(self, instance):
        one = instance("capture", config("{uri: 'replay:demo?faults=hang@4+60', id: door, stall_s: 1}"))
        one.start()
        pid = one.pid
        one.wait_for_status("door (stalled|reconnecting)")
        one.wait_for_status("door streaming", timeout_s=90)
        assert (one.pid, one.restarts) == (pid, 0)

    def test_an_absent_camera_restarts_nothing(self, instance):
        one = instance("absent", config("{uri: /dev/video9, id: door}"))
        one.start()
        pid = one.pid
        time.sleep(WATCHDOG_S + 3)
        assert (one.active, one.pid, one.restarts) == (True, pid, 0)
        assert "door reconnecting" in one.status

    def test_a_wrong_configuration_stays_down_and_says_why(self, instance):
        one = instance("wrong", config("{uri: demo, rotate: 45}"))
        one.machine.run("systemctl", "start", one.unit, check=False)
        time.sleep(5)
        assert (one.get("ActiveState"), one.get("ExecMainStatus"), one.restarts) == ("failed", "78", 0)
        done = one.machine.run("mnv2-edge", "service", "status", "wrong", check=False)
        assert done.returncode == 1
        assert "exit status 78" in done.stdout
        assert "cameras[0].rotate: 45, expected one of 0, 90, 180, 270" in done.stdout


class TestReload:
    def test_a_good_file_is_taken_by_the_same_process(self, instance):
        one = instance("reload", config())
        one.start()
        pid = one.pid
        one.configure(config("{uri: demo, id: yard}"))
        one.machine.run("systemctl", "reload", one.unit)
        one.wait_for_status("yard streaming")
        assert (one.pid, one.active) == (pid, True)

    def test_a_wrong_one_is_not(self, instance):
        one = instance("reload", config())
        one.start()
        pid = one.pid
        one.configure(config("{uri: demo, rotate: 45}"))
        one.machine.run("systemctl", "reload", one.unit)
        one.wait_for_status("was not taken.*rotate: 45.*door streaming")
        assert (one.pid, one.active) == (pid, True)


class TestSecurity:
    SECRET = "correct-horse-battery"

    @pytest.fixture
    def locked(self, machine):
        """A broker that wants a password."""
        machine.write("/run/locked.conf", "listener 1884 localhost\npassword_file /run/locked\n", mode="644")
        machine.run("mosquitto_passwd", "-b", "-c", "/run/locked", "ann", self.SECRET)
        machine.run("chown", "mosquitto", "/run/locked")
        machine.run("systemd-run", "--unit=locked", "--uid=mosquitto", "mosquitto", "-c", "/run/locked.conf")
        yield
        machine.run("systemctl", "stop", "locked.service")

    def test_a_password_reaches_the_broker_and_nobody_else(self, machine, instance, locked):
        machine.write("/etc/credstore/mnv2-edge.secret.mqtt-password", f"{self.SECRET}\n", mode="600")
        sink = "sinks:\n  - mqtt: {uri: 'mqtt://ann@localhost:1884'}\nlog: {level: debug}\n"
        one = instance("secret", config(more=sink))
        one.start()
        heard = machine.run(
            "mosquitto_sub", "-p", "1884", "-u", "ann", "-P", self.SECRET, "-t", "#", "-C", "2", "-W", "30"
        )
        assert heard.stdout
        seen = {
            "ps": machine.run("ps", "auxewww").stdout,
            "environment": machine.run("cat", f"/proc/{one.pid}/environ").stdout,
            "journal": machine.run("journalctl", "--no-pager").stdout,
            "systemctl": machine.run("systemctl", "show", one.unit).stdout
            + machine.run("systemctl", "status", one.unit).stdout,
            "status": machine.run("mnv2-edge", "service", "status", "--json").stdout,
            "config": machine.run("mnv2-edge", "config", "show", "/etc/mnv2-edge/secret.yaml").stdout,
        }
        assert all(len(text) > 100 for text in seen.values())
        assert [place for place, text in seen.items() if self.SECRET in text] == []
        other = machine.run(
            "su", "-s", "/bin/cat", "nobody", "/etc/credstore/mnv2-edge.secret.mqtt-password", check=False
        )
        assert other.returncode != 0

    def test_it_writes_to_its_own_folders_only(self, machine, instance):
        one = instance("boxed", config())
        one.start()
        places = [
            "/",
            "/etc",
            "/etc/mnv2-edge",
            "/usr/bin",
            "/opt/mnv2-edge",
            "/opt/mnv2-edge/current/venv/bin",
            "/home",
            "/root",
        ]
        own = ["/var/lib/mnv2-edge", "/var/cache/mnv2-edge"]
        for user in ("mnv2-edge", "root"):  # for root too the rest is read-only in there
            enter = ["nsenter", f"--target={one.pid}", "--mount", "setpriv", f"--reuid={user}", "--clear-groups"]
            for place in places:
                done = machine.run(*enter, "touch", f"{place}/intruder", check=False)
                assert done.returncode != 0, (user, place)
        for place in own:
            machine.run(*enter[:4], "--reuid=mnv2-edge", "--clear-groups", "touch", f"{place}/own")
            machine.run("rm", f"{place}/own")

    def test_it_has_no_capability_and_no_new_privileges(self, machine, instance):
        one = instance("boxed", config())
        one.start()
        status = dict(
            line.split(":\t", 1) for line in machine.run("cat", f"/proc/{one.pid}/status").stdout.splitlines()
        )
        assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_the_imagenet_engine_fits_into_the_memory_limit(machine, instance, shared):
    """The kernel here has no memory controller to enforce it with, so the peak is compared."""
    engine = shared / "models" / "mobilenet_v2_1.0_224_quant.tflite"
    shutil.copy(engine, machine.shared / "imagenet.tflite")
    machine.run("install", "-D", "/shared/imagenet.tflite", "/root/imagenet.tflite")
    machine.write("/root/imagenet.yaml", config(more=f"engine: {{model: imagenet.tflite}}\n{MQTT}"))
    machine.run("mnv2-edge", "service", "install", "/root/imagenet.yaml")
    try:
        time.sleep(5)
        pid = machine.show("mnv2-edge@imagenet.service", "MainPID")["MainPID"]
        peak = machine.run("grep", "VmHWM", f"/proc/{pid}/status").stdout.split()[1]
        assert int(peak) / 1024 < 320
        assert (
            "/var/lib/mnv2-edge/instances/imagenet/imagenet.tflite"
            in machine.run("cat", "/etc/mnv2-edge/imagenet.yaml").stdout
        )
    finally:
        machine.run("mnv2-edge", "service", "uninstall", "imagenet")


def test_an_engine_of_the_store_goes_along(machine):
    packages = f"/opt/mnv2-edge/current/venv/lib/python{machine.python}/site-packages"
    model = f"{packages}/mnv2_engines/demo/demo.onnx"
    machine.run("mnv2-edge", "build-engine", model, "--calibration", "demo", "--name", "signs", timeout_s=300)
    machine.write("/root/stored.yaml", config(more=f"engine: {{model: signs}}\n{MQTT}"))
    machine.run("mnv2-edge", "service", "install", "/root/stored.yaml")
    try:
        result = machine.run("mosquitto_sub", "-t", "mnv2-edge/+/door/result", "-C", "1", "-W", "30").stdout
        assert json.loads(result)["engine"].startswith("signs@")
        owners = machine.run("find", "/var/lib/mnv2-edge", "!", "-user", "mnv2-edge").stdout
        assert owners == ""
    finally:
        machine.run("mnv2-edge", "service", "uninstall", "stored")


class TestUpgrade:
    def test_a_version_that_never_gets_ready_is_undone(self, machine, instance, bundle, tmp_path):
        broken = tmp_path / "broken.tar"
        make_broken_bundle(bundle, broken)
        shutil.copy(broken, machine.shared / "broken.tar")
        one = instance("upgraded", config())
        one.start()
        before = machine.run("readlink", "/opt/mnv2-edge/current").stdout
        with ThreadPoolExecutor() as pool:
            command = ("env", "MNV2_EDGE_READY_S=12", "/shared/install.sh", "--offline", "/shared/broken.tar")
            upgrade = pool.submit(machine.run, *command, check=False, timeout_s=INSTALL_S)
            machine.wait_for(lambda: machine.run("readlink", "/opt/mnv2-edge/current").stdout == "99.0\n", INSTALL_S)
            one.configure(config("{uri: demo, id: written-for-the-new-version}"))
            done = upgrade.result()
        assert done.returncode == 1, done.stdout + done.stderr
        assert "99.0 did not become ready (mnv2-edge@upgraded.service)" in done.stderr
        assert machine.run("readlink", "/opt/mnv2-edge/current").stdout == before
        assert one.active
        one.wait_for_status("door streaming")
        assert "written-for" not in machine.run("cat", "/etc/mnv2-edge/upgraded.yaml").stdout
        assert machine.run("mnv2-edge", "--version").stdout.split()[1] == before.strip()

    def test_an_environment_that_a_new_python_killed_is_made_again(self, machine, instance):
        library = "/opt/mnv2-edge/current/venv/lib"
        machine.run("systemctl", "stop", "mnv2-edge-engines.service")
        machine.run("mv", f"{library}/python{machine.python}", f"{library}/python3.9")  # as if it had been that before
        one = instance("mended", config())
        one.start()
        assert (
            "making its environment again" in machine.run("journalctl", "-u", "mnv2-edge-engines", "--no-pager").stdout
        )
        assert one.restarts == 0


def test_uninstalling_leaves_configurations_secrets_and_state(machine, files_before, instance):
    one = instance("last", config())
    one.start()
    machine.run("mnv2-edge", "service", "uninstall")
    left = {path for path in all_files(machine) - files_before if not path.startswith(("/root", "/etc/credstore"))}
    assert {path for path in left if not path.startswith(("/var/lib/mnv2-edge", "/etc/mnv2-edge"))} == set()
    assert "/etc/mnv2-edge/last.yaml" in left
    assert "/var/lib/mnv2-edge" in left
    assert machine.run("systemctl", "list-units", "--all", "--no-legend", "mnv2-edge*.service").stdout == ""
    assert machine.run("ps", "-u", "mnv2-edge", check=False).stdout.count("\n") == 1
