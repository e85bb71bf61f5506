"""systemd itself looks at the units: what it would complain about, and how much a broken process could reach."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.system import need_command

UNITS = ("mnv2-edge@.service", "mnv2-edge-engines.service")
EXPOSURE = 1.5
JETSON_EXPOSURE = 2.0


def systemd_version(analyze: str) -> int:
    out = subprocess.run([analyze, "--version"], capture_output=True, text=True, check=True).stdout
    return int(out.split()[1])


@pytest.fixture
def analyze() -> str:
    command = need_command("systemd-analyze", "systemd")
    if systemd_version(command) < 250:
        pytest.skip("systemd-analyze is older than 250: it cannot look at unit files offline")
    if not Path("/run/systemd").is_dir():
        pytest.skip("/run/systemd is not there, which systemd-analyze looks into: `sudo mkdir /run/systemd` makes it")
    return command


@pytest.fixture
def units(root, tmp_path):
    """Return a copy of the units whose commands are there."""
    folder = tmp_path / "units"
    folder.mkdir()
    for name in UNITS:
        text = (root / "systemd" / name).read_text(encoding="utf-8")
        (folder / name).write_text(re.sub(r"/opt/mnv2-edge/current/\S+(?= )", "/bin/true", text), encoding="utf-8")
    return folder


def drop_in(root, units, name: str, unit: str = UNITS[0]) -> None:
    folder = units / f"{unit}.d"
    folder.mkdir(exist_ok=True)
    shutil.copy(root / "systemd" / "drop-ins" / name, folder / name)


def complaints(analyze: str, units) -> str:
    done = subprocess.run(
        [analyze, "verify", "--man=no", *(str(units / name).replace("@", "@door") for name in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "mnv2-edge" in line]
    return "\n".join(ours)


def exposure(analyze: str, unit) -> float:
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", str(unit)], capture_output=True, text=True, check=False
    )
    match = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", done.stdout)
    assert match, done.stdout + done.stderr
    return float(match[1])


def test_systemd_understands_every_line(analyze, units):
    assert complaints(analyze, units) == ""


def test_it_would_complain(analyze, units):
    unit = units / UNITS[0]
    unit.write_text(unit.read_text().replace("ProtectClock=yes", "ProtectClok=yes"))
    assert "ProtectClok" in complaints(analyze, units)


@pytest.mark.parametrize("name", UNITS)
def test_a_broken_process_could_reach_little(analyze, units, name):
    assert exposure(analyze, units / name) <= EXPOSURE


@pytest.mark.parametrize("name", UNITS)
def test_on_a_jetson_it_could_reach_the_gpu_too(analyze, root, units, name):
    """Both: a plan for TensorRT is built on the GPU as well as run on it."""
    drop_in(root, units, "jetson.conf", name)
    assert complaints(analyze, units) == ""
    assert exposure(analyze, units / name) <= JETSON_EXPOSURE


def test_a_newer_systemd_understands_what_is_for_it(analyze, root, units):
    if systemd_version(analyze) < 254:
        pytest.skip("systemd is older than 254")
    drop_in(root, units, "systemd-254.conf")
    assert complaints(analyze, units) == ""


def test_every_restart_status_is_one_of_ours(root):
    from mnv2_edge.errors import ExitStatus

    (line,) = re.findall(
        r"^RestartPreventExitStatus=(.*)$", (root / "systemd" / UNITS[0]).read_text(), flags=re.MULTILINE
    )
    assert [ExitStatus(int(number)).name for number in line.split()] == ["USAGE", "BAD_ENGINE", "BAD_CONFIG"]
