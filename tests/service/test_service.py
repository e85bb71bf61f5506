"""The service on a real systemd: what docs/operations.md says happens, happens.

Times are held against what starting takes on this very machine, since it may be busy.
"""

import json
import time

import pytest

from support.installed import MQTT, config

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

WATCHDOG_S, RESTART_S = 15, 0.5


class TestFaults:
    def test_a_killed_process_is_back_at_once(self, instance, measured):
        one = instance("killed", config())
        start_s = one.start()
        pid = one.pid
        one.machine.run("kill", "-KILL", str(pid))
        back_s = one.wait_for_another(pid)
        measured(f"start {start_s:.2f} s, from SIGKILL to active again {back_s:.2f} s (promised: 2 s)")
        assert back_s <= RESTART_S + 2 * start_s + 0.5

    def test_a_hung_inference_is_ended_with_its_stack_in_the_journal(self, instance, measured):
        one = instance("hung", config(more="task: {name: faulty}\n"))
        start_s = one.start()
        one.wait_for_status("streaming")
        pid = one.pid
        one.machine.write("/run/fault", f"hang {pid}")
        back_s = one.wait_for_another(pid)
        promised_s = WATCHDOG_S + RESTART_S + 1
        measured(f"from a hung inference to active again {back_s:.2f} s (promised: {promised_s} s)")
        assert back_s <= WATCHDOG_S + RESTART_S + 2 * start_s + 0.5
        assert one.restarts == 1
        assert "Fatal Python error: Aborted" in one.log
        assert "faulty_task.py" in one.log
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

    def test_one_that_takes_longer_than_the_watchdog_waits_is_taken_too(self, instance):
        """And afterwards the watchdog is as impatient as before."""
        one = instance("reload", config())
        place = f"/run/systemd/system/{one.unit}.d"
        one.machine.write(f"{place}/quick.conf", "[Service]\nWatchdogSec=3\n")
        one.machine.run("systemctl", "daemon-reload")
        try:
            one.start()
            pid = one.pid
            one.machine.write("/run/slow-opening", "8")
            one.configure(config("{uri: demo, id: yard}", more="task: {name: faulty}\n"))
            one.machine.run("systemctl", "reload", one.unit)
            one.wait_for_status("yard streaming")
            assert (one.pid, one.restarts) == (pid, 0)
            one.machine.run("rm", "/run/slow-opening")
            one.machine.write("/run/fault", f"hang {pid}")
            one.wait_for_another(pid)
            assert "Fatal Python error: Aborted" in one.log
        finally:
            one.machine.run("rm", "-rf", place, "/run/slow-opening")


def unpacked(machine, archive: str) -> dict[str, str]:
    """Return the files of an archive on the machine, by their names."""
    machine.run("tar", "-xzf", archive, "--one-top-level=/run/unpacked")
    names = machine.run("find", "/run/unpacked", "-type", "f").stdout.splitlines()
    return {name: machine.run("cat", name).stdout for name in names}


def test_a_slowdown_is_in_the_status_and_ends_with_a_reload(instance):
    """The sandbox lets it read what the kernel says of memory, which is always less than this limit."""
    one = instance("short", config(more="slowdown: {free_memory_mib: 16777216}\n"))
    one.start()
    pid = one.pid
    one.wait_for_status(r"door streaming \(slowed down to 1/2: \d+ MiB .*limit 16777216\)")
    one.configure(config())
    one.machine.run("systemctl", "reload", one.unit)
    one.wait_for_status("door streaming(; |$)")
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
        sinks = "[{mqtt: {uri: 'mqtt://ann@localhost:1884'}}]"
        one = instance("secret", config(sinks=sinks, more="log: {level: debug}\n"))
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
        machine.run("mnv2-edge", "doctor", "--report", "/run/report.tar.gz", check=False)
        report = unpacked(machine, "/run/report.tar.gz")
        assert any(name.endswith("journal/secret.txt") and "streaming" in text for name, text in report.items())
        seen |= report
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


def test_an_engine_of_the_store_goes_along(machine):
    packages = f"/opt/mnv2-edge/current/venv/lib/python{machine.python}/site-packages"
    model = f"{packages}/mnv2_engines/demo/demo.onnx"
    machine.run("mnv2-edge", "build-engine", model, "--calibration", "demo", "--name", "signs", timeout_s=300)
    machine.write("/run/stored.yaml", config(sinks=MQTT, more="engine: {model: signs}\n"))
    machine.run("mnv2-edge", "service", "install", "/run/stored.yaml")
    try:
        result = machine.run("mosquitto_sub", "-t", "mnv2-edge/+/door/result", "-C", "1", "-W", "30").stdout
        assert json.loads(result)["engine"].startswith("signs@")
        owners = machine.run("find", "/var/lib/mnv2-edge", "!", "-user", "mnv2-edge").stdout
        assert owners == ""
    finally:
        machine.run("mnv2-edge", "service", "uninstall", "stored")


def test_setup_tries_all_of_it_and_installs_it_with_its_password(machine):
    """As root on one of twenty devices: without a question, from the file and the password that were carried there."""
    machine.write("/run/ann", "ann:swordfish-4711\n", mode="600")
    machine.run("mosquitto_passwd", "-U", "/run/ann")
    machine.run("chown", "mosquitto", "/run/ann")
    machine.write("/run/ann.conf", "listener 1885 localhost\npassword_file /run/ann\n", mode="644")
    machine.run("systemd-run", "--unit=broker-of-ann", "mosquitto", "-c", "/run/ann.conf")
    machine.write("/run/porch.mqtt-password", "swordfish-4711\n", mode="600")
    sinks = "[{mqtt: {uri: 'mqtt://ann@localhost:1885', password_file: /run/porch.mqtt-password}}]"
    machine.write("/run/porch.yaml", config(sinks=sinks, more="engine: {model: demo}\n"))
    done = machine.run("mnv2-edge", "setup", "/run/porch.yaml", "--yes", timeout_s=300)
    try:
        assert "it lets ann in" in done.stdout
        login = ("-p", "1885", "-u", "ann", "-P", "swordfish-4711")
        machine.run("mosquitto_sub", *login, "-t", "mnv2-edge/+/door/result", "-C", "1", "-W", "30")
        copied = "/var/lib/mnv2-edge/instances/porch/porch.mqtt-password"
        assert machine.run("stat", "--format=%U %a", copied).stdout == "mnv2-edge 600\n"
        assert "swordfish" not in machine.run("cat", "/etc/mnv2-edge/porch.yaml").stdout + done.stdout
        again = machine.run("mnv2-edge", "setup", "/etc/mnv2-edge/porch.yaml", "--yes", timeout_s=300)  # in its place
        assert "says all of this already" in again.stdout
        machine.run("mosquitto_sub", *login, "-t", "mnv2-edge/+/door/result", "-C", "1", "-W", "30")
    finally:
        machine.run("mnv2-edge", "service", "uninstall", "porch", check=False)
        machine.run("systemctl", "stop", "broker-of-ann", check=False)
