import pytest

from mnv2_edge.host.memory import Memory, read_memory
from support.boards import record, write_files

GROUP = "sys/fs/cgroup/system.slice/mnv2-edge@door.service"
MIB = 1 << 20
SERVICE = {
    "proc/meminfo": "MemTotal: 427280 kB\nMemAvailable: 204800 kB\nSwapFree: 102400 kB\n",
    "proc/self/cgroup": "0::/system.slice/mnv2-edge@door.service\n",
    f"{GROUP}/memory.high": str(320 * MIB),
    f"{GROUP}/memory.max": str(400 * MIB),
    f"{GROUP}/memory.current": str(310 * MIB),
    f"{GROUP}/memory.stat": f"anon {150 * MIB}\nfile {155 * MIB}\nactive_file {60 * MIB}\ninactive_file {90 * MIB}\n",
}


def test_a_small_board(tmp_path):
    """No pressure is told, since Raspberry Pi OS turns it off, and no group has a limit."""
    memory = read_memory(write_files(tmp_path, record("raspberry-pi-zero-2-w")["files"]))
    expected = Memory(417, 89, group_mib=None, waited_percent=None, group_waited_percent=None, swap_free_mib=17)
    assert memory == expected
    assert memory.left_mib == 89


def test_files_that_the_kernel_can_drop_count_as_left(tmp_path):
    memory = read_memory(write_files(tmp_path, SERVICE))
    assert memory.group_mib == 320 - (310 - 60 - 90)
    assert memory.left_mib == 160  # the group's limit is nearer than the machine's 200


@pytest.mark.parametrize(
    ("changes", "group"),
    [
        ({f"{GROUP}/memory.high": "max"}, 240),
        ({f"{GROUP}/memory.high": "max", f"{GROUP}/memory.max": "max"}, None),
        ({f"{GROUP}/memory.stat": ""}, 10),
        ({f"{GROUP}/memory.current": str(900 * MIB)}, 0),
        ({f"{GROUP}/memory.current": ""}, None),
        ({"proc/self/cgroup": "4:memory:/user.slice\n"}, None),
        ({"proc/self/cgroup": "0::/../elsewhere\n"}, None),
        ({"sys/fs/cgroup/system.slice/memory.max": str(500 * MIB)}, 160),
        (
            {"sys/fs/cgroup/system.slice/memory.max": str(500 * MIB)}
            | {"sys/fs/cgroup/system.slice/memory.current": str(450 * MIB)},
            50,
        ),
    ],
)
def test_the_nearest_limit_of_all_groups_counts(changes, group, tmp_path):
    assert read_memory(write_files(tmp_path, SERVICE | changes)).group_mib == group


@pytest.mark.parametrize(
    ("text", "percent"),
    [
        ("some avg10=12.34 avg60=1.00 avg300=0.00 total=5\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=1\n", 12.34),
        ("full avg10=99.00 avg60=0.00 avg300=0.00 total=1\n", None),
        ("some avg10=1.2.3 avg60=0\n", None),
        ("", None),
    ],
)
def test_pressure_is_what_some_program_waited(text, percent, tmp_path):
    files = {"proc/pressure/memory": text, f"{GROUP}/memory.pressure": "some avg10=0.25 avg60=0.00\n"}
    memory = read_memory(write_files(tmp_path, SERVICE | files))
    assert (memory.waited_percent, memory.group_waited_percent) == (percent, 0.25)


def test_where_the_pressure_of_the_own_group_is_told(tmp_path):
    text = "some avg10=7.00 avg60=0.00\n"
    above = write_files(tmp_path / "above", SERVICE | {"sys/fs/cgroup/system.slice/memory.pressure": text})
    assert read_memory(above).group_waited_percent is None
    container = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.pressure": text}
    assert read_memory(write_files(tmp_path / "container", SERVICE | container)).group_waited_percent == 7.0
    old = {"proc/self/cgroup": "4:memory:/user.slice\n", "sys/fs/cgroup/memory.pressure": text}
    assert read_memory(write_files(tmp_path / "old", SERVICE | old)).group_waited_percent is None


@pytest.mark.parametrize("text", ["", "MemTotal: 1 kB\n", "MemAvailable: many kB\nMemTotal: 1 kB\n"])
def test_what_the_kernel_does_not_say_is_not_known(text, tmp_path):
    assert read_memory(write_files(tmp_path, {"proc/meminfo": text})) is None
    assert read_memory(tmp_path / "elsewhere") is None


def test_this_machine_can_be_read():
    memory = read_memory()
    assert memory is not None
    assert 0 < memory.available_mib <= memory.total_mib
