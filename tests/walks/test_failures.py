"""What docs/operations.md promises of failures, for the real command; each row of its table names what holds it."""

import itertools
import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.command import COMMAND, environment, start
from support.namespaces import remount, with_mounts
from support.running import Running

ROOT = Path(__file__).parents[2]
HELD_BY = {
    "a camera is absent or unplugged": [
        "edge/cli/test_run_cameras.py::test_an_absent_camera_is_waited_for_quietly",
        "edge/cli/test_run_cameras.py::test_a_camera_that_comes_late_goes_and_comes_back",
        "service/test_service.py::test_an_absent_camera_restarts_nothing",
    ],
    "a camera gives nothing, or the same picture": [
        "edge/pipeline/test_capture.py::test_a_stalled_camera_is_closed_and_opened_again",
        "edge/pipeline/test_capture.py::test_a_frozen_picture_is_reported_and_not_looked_at",
    ],
    "a camera sends pictures that are damaged, or [too large](cameras.md#large-pictures) to decode": [
        "walks/test_run_hostile_camera.py::test_the_other_camera_goes_on",
        "walks/test_run_hostile_camera.py::test_what_is_bad_is_counted_and_said_once_and_the_stream_goes_on",
        "walks/test_run_hostile_camera.py::test_the_largest_that_is_let_in_fits_into_the_unit",
    ],
    "a read hangs in a driver": [
        "edge/cli/test_run_cameras.py::test_a_hung_read_is_replaced_in_the_same_process_and_ctrl_c_still_ends_it",
        "edge/cli/test_run_cameras.py::test_a_second_hung_read_ends_the_process_with_status_75",
        "service/test_service.py::test_a_hung_capture_needs_no_new_process",
    ],
    "inference does not return": [
        "walks/test_failures.py::test_a_watchdogs_abort_leaves_the_stacks_of_all_threads",
        "service/test_service.py::test_a_hung_inference_is_ended_with_its_stack_in_the_journal",
    ],
    "the process is killed, or crashes": ["service/test_service.py::test_a_killed_process_is_back_at_once"],
    "the broker is away": [
        "edge/cli/test_run_mqtt.py::test_it_goes_on_while_the_broker_is_away",
        "edge/cli/test_run_mqtt.py::test_a_frozen_broker_does_not_hold_up_frames_or_the_end",
        "edge/sinks/test_mqtt.py::test_a_frozen_broker_holds_nobody_up_and_the_memory_is_bounded",
    ],
    "the board gets hot": [
        "edge/pipeline/test_rate_limit.py::test_a_closed_case_in_the_sun_stays_below_the_firmwares_hard_limit_and_comes_back_in_the_evening",
        "edge/pipeline/test_pipeline.py::test_a_slowdown_is_told_of_live_cameras_when_it_begins_changes_and_ends",
        "walks/test_failures.py::test_a_hot_board_is_told_of_and_gets_its_rate_back",
    ],
    "memory gets short": [
        "edge/pipeline/test_board_limits.py::test_memory_is_short_below_the_limit_and_enough_well_above",
        "edge/pipeline/test_throttle.py::test_two_causes_are_one_slowdown_that_lasts_until_both_are_over",
        "service/test_service.py::test_a_slowdown_is_in_the_status_and_ends_with_a_reload",
    ],
    "memory runs out": [
        "service/test_memory.py::test_an_instance_that_exceeds_it_is_started_again",
        "service/test_memory.py::test_the_imagenet_engine_fits_into_it",
    ],
    "the disk is full or read-only": [
        "walks/test_failures.py::test_a_disk_that_fails_while_pictures_are_saved_ends_the_saving_alone",
        "walks/test_failures.py::test_results_that_a_full_disk_does_not_take_are_lost_and_the_run_goes_on",
    ],
    "an engine is damaged or stale": [
        "walks/test_failures.py::test_an_engine_that_is_damaged_while_it_runs_runs_on",
        "edge/cli/test_run_engines.py::test_a_watched_file_is_followed_to_another_size_and_not_to_a_broken_one",
        "edge/cli/test_run.py::test_an_engine_that_is_no_flatbuffer",
    ],
    "the configuration is wrong": [
        "service/test_service.py::test_a_wrong_configuration_stays_down_and_says_why",
        "service/test_service.py::test_a_wrong_one_is_not",
    ],
    "the clock jumps": ["edge/host/test_clock.py::test_the_wall_clock_may_jump_and_intervals_stay_right"],
}


def test_every_row_of_the_table_is_held_by_a_test_that_is_there():
    text = (ROOT / "docs/operations.md").read_text()
    table = text[text.index("| what fails |") :].partition("\n\n")[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines()[2:]]
    assert rows == list(HELD_BY)
    for name in itertools.chain(*HELD_BY.values()):
        file, _, test = name.partition("::")
        assert re.search(rf"^ *def {test}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE), name


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Return what starts `run` of the demo film, alone with its mounts; whatever still runs is killed at the end."""
    begun = []

    def begin(*args: str | Path, mounts: tuple[str, ...] = ()) -> Running:
        command = [*COMMAND, "run", "--camera", "demo", *map(str, args)]
        process = subprocess.Popen(
            with_mounts(mounts, command) if mounts else command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(tmp_path / "home"),
        )
        begun.append(Running(process))
        return begun[-1]

    yield begin
    for running in begun:
        running.close()


@pytest.mark.parametrize(
    ("failure", "said"),
    [("filled by others", "is nearly full"), ("read-only", "Read-only file system")],
)
def test_a_disk_that_fails_while_pictures_are_saved_ends_the_saving_alone(failure, said, run, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    running = run("--save", disk, "--save-every", "0", mounts=(f"-t tmpfs -o size=128M tmpfs '{disk}'",))
    seen = Path(f"/proc/{running.process.pid}/root{disk}")
    running.wait(lambda: any(seen.glob("*.jpg")))
    if failure == "read-only":
        remount(running.process.pid, "ro", disk)
    else:
        with (seen / "others").open("wb") as file:
            for _ in range(100):
                file.write(bytes(1 << 20))
    running.wait(lambda: said in running.err)
    results = len(running.out)
    running.wait(lambda: len(running.out) > results + 30)
    pictures = len(list(seen.glob("*.jpg")))
    assert running.end() == 0
    assert running.err.count(said) == 1
    assert f"{pictures} pictures saved" in running.err
    assert "Traceback" not in running.err


def test_results_that_a_full_disk_does_not_take_are_lost_and_the_run_goes_on(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "run", "--camera", "demo?frames=60", "--format", "jsonl"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(tmp_path),
            timeout=60,
            check=False,
        )
    assert done.stderr.count("No space left on device") == 1
    counted = re.search(r"(\d+) frames in .*; (\d+) dropped", done.stderr)
    assert counted is not None
    assert sum(map(int, counted.groups())) == 60  # the film goes at its own pace: a busy machine drops some
    assert "Traceback" not in done.stderr
    assert "records are lost, or may be" in done.stderr
    assert done.returncode == 75


@pytest.mark.parametrize("damage", ["cut", "overwritten", "removed"])
def test_an_engine_that_is_damaged_while_it_runs_runs_on(damage, run, tmp_path):
    engine = tmp_path / "engine.tflite"
    engine.write_bytes((ROOT / "engines/mnv2_engines/demo/demo.tflite").read_bytes())
    running = run("--model", engine)
    running.wait(lambda: len(running.out) > 5)
    if damage == "removed":
        engine.unlink()
    else:
        with engine.open("r+b") as file:
            file.truncate(0 if damage == "cut" else None)
            file.write(b"" if damage == "cut" else bytes(engine.stat().st_size))
    results = len(running.out)
    running.wait(lambda: len(running.out) > results + 30)
    assert all(json.loads(line)["type"] == "result" for line in running.out)
    assert running.end() == 0


def test_a_watchdogs_abort_leaves_the_stacks_of_all_threads(tmp_path):
    process = start("run", "--camera", "demo", home=tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGABRT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in err
    for thread in ("pipeline.py", "slots.py", "reader.py"):  # who watches, who infers, who reads
        assert re.search(rf'File ".*/{thread}", line \d+ in ', err), thread


@pytest.mark.acceptance
def test_a_hot_board_is_told_of_and_gets_its_rate_back(run, tmp_path):
    """A minute and a half, since nothing in the command makes time go faster; the sensor is a file of ours."""
    thermal = Path("/sys/class/thermal")
    if not thermal.is_dir():
        pytest.skip("this kernel has no /sys/class/thermal to put another in the place of")
    zone = tmp_path / "thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "type").write_text("cpu-thermal\n")
    temp = zone / "temp"
    temp.write_text("81470\n")
    config = tmp_path / "hot.yaml"
    config.write_text(
        "version: 1\nsinks: [{stdout: {format: jsonl, records: all}}]\nslowdown: {heat_c: 78, free_memory_mib: 0}\n"
    )
    running = run("--config", config, mounts=(f"--bind '{zone.parent}' {thermal}",))

    def told(kind: str) -> list[dict]:
        return [record for line in running.out if f'"{kind}"' in line and (record := json.loads(line))["type"] == kind]

    def last_result() -> dict:
        return json.loads(next(line for line in reversed(running.out) if '"result"' in line))

    def looked_at() -> float:
        """Return the share of the frames that pass the gate; it does not matter how busy the machine is."""
        first = last_result()
        running.wait(lambda: last_result()["frame"] >= first["frame"] + 100)
        last = last_result()
        return 1 - (last["gated"] - first["gated"]) / (last["frame"] - first["frame"])

    running.wait(lambda: told("result"))
    assert looked_at() == 1
    running.wait(lambda: told("event"), 40)
    temp.write_text("70000\n")
    assert looked_at() == pytest.approx(1 / 2, rel=0.25)
    running.wait(lambda: len(told("event")) > 1, 90)
    assert looked_at() == pytest.approx(1, abs=0.1)
    assert running.end() == 0
    assert [event["details"]["share"] for event in told("event")] == [0.5, 1.0]
    assert told("event")[0]["details"]["celsius"] == 81.47
    assert [state["reason"] for state in told("state")] == [
        "",
        "",
        "slowed down to 1/2: cpu-thermal is at 81.5 °C, limit 78",
        "",
        "stopped",
    ]
    assert told("state")[-1]["gated"] > 0
    assert running.err.count("slowed down to 1/2") == running.err.count("back to the full rate") == 1
