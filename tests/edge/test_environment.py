import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from mnv2_edge.environment import forget_unknown, read_environment


def test_a_user_has_folders_of_the_desktop_standard() -> None:
    env = read_environment({"HOME": "/home/ann"})
    assert env.home == Path("/home/ann/.local/share/mnv2-edge")
    assert env.cache == Path("/home/ann/.cache/mnv2-edge")
    env = read_environment({"HOME": "/home/ann", "XDG_DATA_HOME": "/data", "XDG_CACHE_HOME": "/cache"})
    assert (env.home, env.cache) == (Path("/data/mnv2-edge"), Path("/cache/mnv2-edge"))


@pytest.mark.parametrize("variables", [{}, {"HOME": ""}])
def test_without_home_the_user_database_is_asked(variables: dict[str, str], monkeypatch) -> None:
    entry = pwd.struct_passwd(("ann", "x", 1000, 1000, "", "/home/ann", "/bin/sh"))
    monkeypatch.setattr("pwd.getpwuid", lambda _uid: entry)
    assert read_environment(variables).cache == Path("/home/ann/.cache/mnv2-edge")


def test_a_user_without_a_name_has_no_home(monkeypatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    assert read_environment({}).cache == Path("/.cache/mnv2-edge")


def test_a_service_has_those_that_systemd_names_and_ours_comes_first() -> None:
    service = {"STATE_DIRECTORY": "/var/lib/mnv2-edge:/var/lib/other", "CACHE_DIRECTORY": "/var/cache/mnv2-edge"}
    env = read_environment(service)
    assert (env.home, env.cache) == (Path("/var/lib/mnv2-edge"), Path("/var/cache/mnv2-edge"))
    assert read_environment(service | {"MNV2_EDGE_HOME": "/engines"}).home == Path("/engines")


def test_passwords_are_taken_and_never_shown() -> None:
    env = read_environment({"MNV2_EDGE_MQTT_PASSWORD": "hush", "MNV2_EDGE_CAMERA_PASSWORD": "hush2"})
    assert (env.mqtt_password, env.camera_password) == ("hush", "hush2")
    assert "hush" not in repr(env)


def test_a_service_has_a_manager_a_watchdog_and_secrets_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "mqtt-password").write_text("hush\n")
    (tmp_path / "camera-password").write_text("\n")
    env = read_environment(
        {
            "CREDENTIALS_DIRECTORY": str(tmp_path),
            "NOTIFY_SOCKET": "/run/systemd/notify",
            "WATCHDOG_USEC": "20000000",
            "WATCHDOG_PID": str(os.getpid()),
        }
    )
    assert (env.notify_socket, env.watchdog_s) == ("/run/systemd/notify", 20.0)
    assert env.credential("mqtt-password") == str(tmp_path / "mqtt-password")
    assert env.credential("camera-password") is None  # what the unit has in the place of one
    assert env.credential("other") is None
    assert read_environment({}).credential("mqtt-password") is None


@pytest.mark.parametrize("variables", [{"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}, {}])
def test_a_watchdog_for_another_process_is_none(variables: dict[str, str]) -> None:
    assert read_environment(variables).watchdog_s == 0.0


def test_root_keeps_what_is_known_alone() -> None:
    known = {
        "LANG": "C.UTF-8",
        "LC_ALL": "C",
        "TERM": "xterm",
        "SUDO_UID": "1000",
        "STATE_DIRECTORY": "/var/lib/mnv2-edge",
    }
    known |= {
        "MNV2_EDGE_MQTT_PASSWORD": "hush",
        "https_proxy": "http://proxy:3128",
        "_MNV2_EDGE_COMPLETE": "bash_source",
    }
    others = ("PATH", "HOME", "XDG_DATA_HOME", "PYTHONPATH", "PIP_INDEX_URL", "GST_PLUGIN_PATH", "LD_PRELOAD", "TMPDIR")
    variables = known | dict.fromkeys(others, "/tmp/planted")
    forget_unknown(variables)
    assert variables == known | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def test_only_an_isolated_command_of_roots_forgets(root) -> None:
    """A container runs everything as root, and may have a PYTHONPATH."""
    code = "import os; from mnv2_edge.__main__ import main; main(['--version']); print(os.getenv('GST_PLUGIN_PATH'))"
    for isolated in (True, False):
        command = [sys.executable, *(["-I"] if isolated else []), "-c", code]
        environment = {**os.environ, "GST_PLUGIN_PATH": "/tmp/planted"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=root)
        forgotten = isolated and os.geteuid() == 0
        assert done.stdout.splitlines()[-1] == ("None" if forgotten else "/tmp/planted")
