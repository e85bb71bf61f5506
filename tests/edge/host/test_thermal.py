import pytest

from mnv2_edge.host.thermal import ThermalZone, read_zones, slows_at_c
from support.boards import record, write_files

PI = "proc/device-tree/model"
ORIN = {
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
    "cpu-thermal": ("61812", {"passive": "99000", "hot": "103000", "critical": "104500"}),
    "gpu-thermal": ("63250", {"passive": "99000", "critical": "104500"}),
    "cv0-thermal": ("-256000", {"passive": "99000"}),
    "tj-thermal": ("63250", {"active": "51000", "critical": "104500"}),
}


def zones(root, entries):
    files = {}
    for number, (name, entry) in enumerate(entries.items()):
        if isinstance(entry, str):
            files[name] = entry
            continue
        temp, trips = entry
        folder = f"sys/class/thermal/thermal_zone{number}"
        files |= {f"{folder}/type": f"{name}\n", f"{folder}/temp": f"{temp}\n"}
        for trip, (numbered, at) in enumerate(trips.items()):
            kind = numbered.rstrip("0123456789")
            files |= {f"{folder}/trip_point_{trip}_type": kind, f"{folder}/trip_point_{trip}_temp": at}
    return write_files(root, files)


def test_a_pi_has_one_zone_and_slows_down_where_its_firmware_does(tmp_path):
    write_files(tmp_path, record("raspberry-pi-5")["files"])
    (zone,) = read_zones(tmp_path)
    assert zone == ThermalZone("cpu-thermal", 54.85, passive_c=None, critical_c=110.0)
    assert slows_at_c(zone, tmp_path) == 80.0


def test_a_jetson_slows_down_where_its_device_tree_says(tmp_path):
    found = read_zones(zones(tmp_path, ORIN))
    assert [zone.name for zone in found] == ["gpu-thermal", "tj-thermal", "cpu-thermal"]  # hottest first
    assert [slows_at_c(zone, tmp_path) for zone in found] == [99.0, None, 99.0]
    assert found[2].critical_c == 104.5


@pytest.mark.parametrize("temp", ["-256000", "127000", "2147483647", "", "nan", "- 5"])
def test_a_sensor_that_says_what_cannot_be_is_left_out(temp, tmp_path):
    assert read_zones(zones(tmp_path, {"cpu-thermal": (temp, {"critical": "110000"})})) == ()


@pytest.mark.parametrize(("temp", "celsius"), [("0", 0.0), ("-12500", -12.5), ("109456", 109.456)])
def test_frost_and_heat_are_no_nonsense(temp, celsius, tmp_path):
    (zone,) = read_zones(zones(tmp_path, {"cpu-thermal": (temp, {})}))
    assert zone.celsius == celsius


def test_a_pc_is_never_known_to_slow_down(tmp_path):
    """Its `acpitz` may say anything, with a passive trip of 0 or of 95 °C."""
    pc = zones(tmp_path, {"acpitz": ("96000", {"passive": "95000"}), "x86_pkg_temp": ("99000", {"passive": "0"})})
    assert [slows_at_c(zone, pc) for zone in read_zones(pc)] == [None, None]


def test_of_several_passive_trips_the_highest_is_what_must_not_be_exceeded(tmp_path):
    trips = {"passive1": "70000", "passive2": "85000", "passive3": "0", "critical": "115000"}
    board = zones(tmp_path, {PI: "Radxa ROCK 5B\0", "soc-thermal": ("50000", trips)})
    (zone,) = read_zones(board)
    assert (zone.passive_c, slows_at_c(zone, board)) == (85.0, 85.0)


def test_trips_that_are_nonsense_say_nothing(tmp_path):
    board = zones(tmp_path, {PI: "Some Board\0", "cpu-thermal": ("50000", {"passive": "-274000", "critical": "x"})})
    (zone,) = read_zones(board)
    assert (zone.passive_c, zone.critical_c, slows_at_c(zone, board)) == (None, None, None)


def test_a_machine_without_sensors_has_none(tmp_path):
    assert read_zones(tmp_path) == ()


def test_this_machine_can_be_read():
    for zone in read_zones():
        assert -40 < zone.celsius < 125
