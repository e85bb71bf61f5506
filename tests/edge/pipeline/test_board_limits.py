import pytest

from mnv2_edge.pipeline.board_limits import BoardLimits, explain_missing_sensor, read_limit_states
from support.boards import record, write_files

TEMP = "sys/class/thermal/thermal_zone0/temp"
PRESSURE = "proc/pressure/memory"


def pi(root, **changes):
    files = {name.replace("__", "/"): text for name, text in changes.items()}
    return write_files(root, record("raspberry-pi-5")["files"] | files)


def heat(root, limits=None):
    (strain,) = [strain for strain in read_limit_states(limits or BoardLimits(), root) if strain.cause == "heat"]
    return strain


def memory(root, limits=None):
    (strain,) = [strain for strain in read_limit_states(limits or BoardLimits(), root) if strain.cause == "memory"]
    return strain


@pytest.mark.parametrize(
    ("temp", "over", "calm"),
    [
        ("-5000", False, True),
        ("0", False, True),
        ("54850", False, True),
        ("73000", False, True),
        ("73100", False, False),
        ("77900", False, False),
        ("78000", True, False),
        ("104000", True, False),
    ],
)
def test_a_pi_is_too_hot_shortly_before_its_firmware_thinks_so(temp, over, calm, tmp_path):
    strain = heat(write_files(pi(tmp_path), {TEMP: temp}))
    assert (strain.over, strain.calm) == (over, calm)


def test_it_is_said_what_was_measured_and_what_the_limit_is(tmp_path):
    strain = heat(write_files(pi(tmp_path), {TEMP: "81470"}))
    assert strain.words == "cpu-thermal is at 81.5 °C, limit 78"
    assert strain.figures == {"celsius": 81.47, "limit_celsius": 78.0}


@pytest.mark.parametrize("temp", ["-256000", "127000", "", "none"])
def test_a_sensor_that_lies_or_is_silent_says_nothing_of_heat(temp, tmp_path):
    root = write_files(pi(tmp_path), {TEMP: temp})
    assert [strain.cause for strain in read_limit_states(BoardLimits(), root)] == ["memory"]


def test_a_limit_of_ones_own_holds_on_a_board_and_on_a_pc(tmp_path):
    zone = {"sys/class/thermal/thermal_zone0/type": "x86_pkg_temp", TEMP: "71000"}
    pc = write_files(tmp_path, record("laptop")["files"] | zone)
    assert [strain.cause for strain in read_limit_states(BoardLimits(), pc)] == ["memory"]
    assert heat(pc, BoardLimits(heat_c=70)).over
    assert heat(pi(tmp_path), BoardLimits(heat_c=50)).over


def test_a_limit_of_ones_own_is_about_processors_and_not_about_batteries(tmp_path):
    zone = {"sys/class/thermal/thermal_zone0/type": "BAT0", TEMP: "71000"}
    assert [strain.cause for strain in read_limit_states(BoardLimits(heat_c=70), write_files(tmp_path, zone))] == []


def test_a_limit_that_nothing_here_can_reach_is_told(tmp_path):
    zone = {"sys/class/thermal/thermal_zone0/type": "acpitz", TEMP: "71000"}
    pc = write_files(tmp_path / "pc", zone)
    assert explain_missing_sensor(BoardLimits(heat_c=70), pc).startswith(
        "slowdown.heat_c is 70, and no sensor in /sys/class/thermal is"
    )
    assert (
        explain_missing_sensor(BoardLimits(), pc) == explain_missing_sensor(BoardLimits(heat_c=0), pc) == ""
    )  # nobody counts on it
    assert explain_missing_sensor(BoardLimits(heat_c=70), pi(tmp_path / "pi")) == ""


def test_of_several_zones_the_one_nearest_to_its_own_limit_counts(tmp_path):
    files = dict(record("jetson-orin-nano")["files"])
    for number, (name, temp, trip) in enumerate(
        [("cpu-thermal", 96000, 99000), ("gpu-thermal", 90000, 91000), ("cv0-thermal", -256000, 99000)]
    ):
        folder = f"sys/class/thermal/thermal_zone{number}"
        files |= {f"{folder}/type": name, f"{folder}/temp": str(temp)}
        files |= {f"{folder}/trip_point_0_type": "passive", f"{folder}/trip_point_0_temp": str(trip)}
    assert heat(write_files(tmp_path, files)).words == "gpu-thermal is at 90.0 °C, limit 89"


@pytest.mark.parametrize(("available", "over", "calm"), [(39, True, False), (40, False, False), (60, False, True)])
def test_memory_is_short_below_the_limit_and_enough_well_above(available, over, calm, tmp_path):
    files = {"proc/meminfo": f"MemTotal: 427280 kB\nMemAvailable: {available * 1024} kB\nSwapFree: 0 kB\n"}
    strain = memory(write_files(tmp_path, files))
    assert (strain.over, strain.calm) == (over, calm)
    assert strain.words == f"{available} MiB of memory are left, limit 40"


def test_it_is_said_when_it_is_ones_own_limit_that_is_near(tmp_path):
    """Who reads it on a board with gigabytes would look for what else runs, and find nothing."""
    group = "sys/fs/cgroup/system.slice/mnv2-edge@door.service"
    files = {
        "proc/self/cgroup": "0::/system.slice/mnv2-edge@door.service\n",
        f"{group}/memory.high": str(320 << 20),
        f"{group}/memory.current": str(300 << 20),
        f"{group}/memory.stat": f"active_file {10 << 20}\n",
    }
    strain = memory(write_files(pi(tmp_path), files))
    assert strain.words == "30 MiB of the memory that this process may have are left, limit 40"
    assert strain.over


@pytest.mark.parametrize(("waited", "over", "calm"), [(3.0, False, True), (12.0, False, False), (25.0, True, False)])
def test_programs_that_wait_for_memory_count_too(waited, over, calm, tmp_path):
    text = f"some avg10={waited} avg60=0.00 avg300=0.00 total=5\n"
    strain = memory(write_files(pi(tmp_path), {PRESSURE: text}))
    assert (strain.over, strain.calm) == (over, calm)
    assert strain.figures["waiting_percent"] == waited
    assert ("programs wait" in strain.words) == (not calm)


@pytest.mark.parametrize(("own", "over"), [(0.0, False), (25.0, True)])
def test_who_waits_at_a_limit_of_his_own_is_not_our_business(own, over, tmp_path):
    """A container that is short of memory on a machine that has plenty makes the machine's pressure 90 %."""
    group = "sys/fs/cgroup/system.slice/mnv2-edge@door.service"
    files = {
        PRESSURE: "some avg10=90.00 avg60=88.00 avg300=80.00 total=5\n",
        "proc/self/cgroup": "0::/system.slice/mnv2-edge@door.service\n",
        f"{group}/memory.pressure": f"some avg10={own:.2f} avg60=0.00 avg300=0.00 total=5\n",
    }
    strain = memory(write_files(pi(tmp_path), files))
    assert (strain.over, strain.calm, strain.figures["waiting_percent"]) == (over, not over, own)


def test_zero_turns_each_off(tmp_path):
    root = write_files(pi(tmp_path), {TEMP: "99000", PRESSURE: "some avg10=99.0 avg60=0"})
    assert [strain.cause for strain in read_limit_states(BoardLimits(heat_c=0), root)] == ["memory"]
    assert [strain.cause for strain in read_limit_states(BoardLimits(free_memory_mib=0), root)] == ["heat"]
    assert read_limit_states(BoardLimits(0, 0), root) == ()


def test_a_machine_that_says_nothing_suffers_from_nothing(tmp_path):
    assert read_limit_states(BoardLimits(), tmp_path) == ()
