"""What the doctor finds on recordings of boards that are well and of ones that are not."""

import dataclasses
from pathlib import Path

import pytest

from mnv2_edge.cameras import Camera
from mnv2_edge.cameras.video_nodes import VideoNode
from mnv2_edge.config.model import Config, SaveConfig
from mnv2_edge.doctor.device.board import check_clock, check_cma, check_ram, check_temperature, check_throttling
from mnv2_edge.doctor.device.cameras import check_ribbon_cameras
from mnv2_edge.doctor.device.storage import check_disk, check_flash
from mnv2_edge.doctor.device.system import check_board, check_venv
from mnv2_edge.doctor.probe import Probe
from mnv2_edge.doctor.service.configured import Configured
from mnv2_edge.host.storage import DiskUsage
from support.boards import board, make_machine, write_files

UNICAM = Camera("picamera:0", VideoNode(Path("/dev/video0"), "unicam-image", 0, "unicam", "x"), "ribbon", ())
CFE = Camera("picamera:0", VideoNode(Path("/dev/video0"), "rp1-cfe-csi2_ch0", 0, "rp1-cfe", "x"), "ribbon", ())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "raspberry-pi-5",
            "Raspberry Pi 5 Model B Rev 1.0, Debian GNU/Linux 12 (bookworm), Raspberry Pi OS, Linux 6.12.34",
        ),
        ("raspberry-pi-zero-2-w", "Raspberry Pi Zero 2 W Rev 1.0, Debian GNU/Linux 12 (bookworm), Linux 6.1.21-v8+"),
        ("jetson-orin-nano", "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super, Ubuntu 22.04.5 LTS"),
        ("laptop", "ThinkPad X13 Gen 2i, Ubuntu 24.04.2 LTS, Linux 6.8.0-63-generic"),
    ],
)
def test_boards_and_systems_are_named(name, expected, tmp_path) -> None:
    finding = check_board(board(name, tmp_path))
    assert finding.verdict == "ok"
    assert finding.why.startswith(expected)


def test_a_32_bit_system_below_a_64_bit_kernel(tmp_path) -> None:
    finding = check_board(board("raspberry-pi-4", tmp_path, bits=32))
    assert finding.verdict == "fail"
    assert "the kernel is a 64-bit one (aarch64), but the Python here is a 32-bit one" in finding.why


def test_a_board_that_says_nothing(tmp_path) -> None:
    assert check_board(make_machine(tmp_path, arch="riscv64")).why == "an unknown board, riscv64"


class TestVenv:
    @pytest.fixture
    def with_picamera2(self, tmp_path):
        """Return the root of a system that has apt's picamera2 and a virtual environment that sees it."""
        write_files(
            tmp_path,
            {
                "usr/lib/python3/dist-packages/picamera2/__init__.py": "",
                "usr/lib/python3/dist-packages/numpy-1.24.2.egg-info/PKG-INFO": "",
                "opt/venv/pyvenv.cfg": "home = /usr/bin\ninclude-system-site-packages = true\nversion = 3.11.2\n",
            },
        )
        return tmp_path

    def test_well(self, with_picamera2) -> None:
        finding = check_venv(make_machine(with_picamera2))
        assert finding.verdict == "ok"
        assert "with apt's picamera2; Python 3.11, numpy 1.26.4" in finding.why

    def test_without_picamera2_nothing_is_asked_of_it(self, tmp_path) -> None:
        write_files(tmp_path, {"opt/venv/pyvenv.cfg": "include-system-site-packages = false\n"})
        assert check_venv(make_machine(tmp_path)).verdict == "ok"

    def test_one_that_does_not_see_the_systems_packages(self, with_picamera2) -> None:
        cfg = with_picamera2 / "opt/venv/pyvenv.cfg"
        cfg.write_text(cfg.read_text().replace("true", "false"))
        finding = check_venv(make_machine(with_picamera2))
        assert finding.verdict == "warn"
        assert "does not see the system's packages" in finding.why
        assert finding.mend.startswith("sed -i 's/^include-system-site-packages.*/")
        assert finding.mend.endswith(str(cfg))

    def test_the_ribbon_camera_gets_the_same_advice(self, with_picamera2) -> None:
        cfg = with_picamera2 / "opt/venv/pyvenv.cfg"
        cfg.write_text(cfg.read_text().replace("true", "false"))
        missing = Probe("", "picamera2 cannot be imported (No module named 'libcamera')")
        machine = make_machine(with_picamera2, list_cameras=lambda: (UNICAM,), run_python=lambda *_: missing)
        assert check_ribbon_cameras(machine).mend.startswith("sed -i")
        cfg.write_text(cfg.read_text().replace("false", "true"))
        assert check_ribbon_cameras(machine).mend.startswith("sudo apt install -y python3-picamera2")

    def test_one_of_another_python(self, with_picamera2) -> None:
        cfg = with_picamera2 / "opt/venv/pyvenv.cfg"
        cfg.write_text(cfg.read_text().replace("/usr/bin", "/home/me/.pyenv/versions/3.13/bin"))
        finding = check_venv(make_machine(with_picamera2, python=(3, 13, 1)))
        assert (finding.verdict, finding.mend) == ("warn", "/usr/bin/python3 -m venv --system-site-packages .venv")

    def test_a_numpy_that_apts_picamera2_was_not_built_for(self, with_picamera2) -> None:
        finding = check_venv(make_machine(with_picamera2, distributions={"numpy": "2.1.3"}))
        assert finding.verdict == "warn"
        assert "numpy is 2.1.3 here, and apt's picamera2 was built with 1.24.2" in finding.why
        assert "constraints-numpy1.txt" in finding.mend


class TestThrottling:
    def test_a_pi_that_is_well(self, tmp_path) -> None:
        finding = check_throttling(board("raspberry-pi-5", tmp_path))
        assert (finding.verdict, finding.why) == ("ok", "neither under-voltage nor throttling since boot")

    def test_under_voltage_now(self, tmp_path) -> None:
        finding = check_throttling(board("raspberry-pi-4", tmp_path))
        assert finding.verdict == "fail"
        assert finding.why.startswith("now: under-voltage, throttled; give it a stronger power supply")
        assert finding.mend == "vcgencmd get_throttled"

    def test_heat_now_is_a_warning(self, tmp_path) -> None:
        hot = board("raspberry-pi-4", tmp_path, run_command=lambda *_, **__: Probe("throttled=0x80008", ""))
        finding = check_throttling(hot)
        assert finding.verdict == "warn"
        assert finding.why == "now: slowed down by the soft temperature limit; give it a heat sink or a fan"

    def test_without_vcgencmd_the_kernel_is_asked(self, tmp_path) -> None:
        silent = board("raspberry-pi-4", tmp_path, run_command=lambda *_, **__: Probe("", "it is not there"))
        assert check_throttling(silent).why.startswith("now: under-voltage; ")
        (tmp_path / "sys/class/hwmon/hwmon1/in0_lcrit_alarm").write_text("0\n")
        finding = check_throttling(silent)
        assert finding.verdict == "ok"
        assert finding.why.startswith("no under-voltage in the last seconds; of more the firmware does not tell: it is")

    def test_an_old_kernels_file_has_all_bits(self, tmp_path) -> None:
        finding = check_throttling(board("raspberry-pi-zero-2-w", tmp_path))
        assert finding.verdict == "warn"
        assert finding.why.startswith(
            "since boot: under-voltage, throttled, slowed down by the soft temperature limit; give it a stronger"
        )

    def test_a_pi_that_does_not_say(self, tmp_path) -> None:
        finding = check_throttling(board("raspberry-pi-4", tmp_path / "a", run_command=lambda *_, **__: Probe("?", "")))
        assert finding.verdict == "fail"  # the kernel says it
        root = write_files(tmp_path / "b", {"proc/device-tree/model": "Raspberry Pi 3 Model B\0"})
        finding = check_throttling(make_machine(root, {"vcgencmd": "VCHI initialization failed"}))
        assert finding.verdict == "warn"
        assert "VCHI initialization failed" in finding.why

    def test_a_jetson_counts(self, tmp_path) -> None:
        finding = check_throttling(board("jetson-orin-nano", tmp_path))
        assert finding.verdict == "warn"
        assert finding.why.startswith(
            "since boot: instantaneous over-current 37 times; give it a stronger power supply"
        )
        assert "or a lower power mode" in finding.why
        (tmp_path / "sys/class/hwmon/hwmon3/oc3_event_cnt").write_text("0\n")
        assert check_throttling(board("laptop", tmp_path / "other")).verdict == "ok"
        quiet = make_machine(tmp_path)
        assert check_throttling(quiet).verdict == "ok"


class TestDisk:
    def test_room_everywhere(self, tmp_path) -> None:
        finding = check_disk(board("raspberry-pi-5", tmp_path))
        assert (finding.verdict, finding.why) == ("ok", "5.0 GiB free on /")

    def test_each_file_system_is_told_of_once(self, tmp_path) -> None:
        def usage(folder: Path) -> DiskUsage:
            return DiskUsage(7, 100 << 20, None) if folder == Path("/tmp") else DiskUsage(1, 5 << 30, None)

        finding = check_disk(board("raspberry-pi-zero-2-w", tmp_path, cache=Path("/var/cache/mnv2-edge"), usage=usage))
        assert finding.why == "5.0 GiB free on /; 100 MiB free on /tmp"

    @pytest.mark.parametrize(
        ("mib", "verdict", "why"),
        [(150, "warn", "/ is nearly full: 150 MiB are free"), (3, "fail", "/ is full: 3 MiB are free")],
    )
    def test_little_room(self, tmp_path, mib, verdict, why) -> None:
        finding = check_disk(board("raspberry-pi-5", tmp_path, usage=lambda _: DiskUsage(1, mib << 20, 9999)))
        assert (finding.verdict, finding.why) == (verdict, why)
        assert finding.mend.startswith("sudo du -xh")

    @pytest.mark.parametrize(("inodes", "verdict"), [(900, "warn"), (0, "fail")])
    def test_few_inodes(self, tmp_path, inodes, verdict) -> None:
        finding = check_disk(board("raspberry-pi-5", tmp_path, usage=lambda _: DiskUsage(1, 5 << 30, inodes)))
        assert finding.verdict == verdict
        assert f"room for {inodes} more files only" in finding.why

    def test_where_pictures_are_saved_is_looked_at_too(self, tmp_path) -> None:
        config = Config(version=1, save=SaveConfig(folder="/media/a drive/pictures"))
        machine = board(
            "raspberry-pi-4",
            tmp_path,
            configurations=(Configured(Path("door.yaml"), "", config),),
            usage=lambda folder: DiskUsage(len(folder.parts), 1 << 20, None) if "media" in folder.parts else None,
        )
        assert check_disk(machine).why == "/media/a drive is full: 1 MiB are free"

    def test_read_only_after_errors(self, tmp_path) -> None:
        finding = check_disk(board("raspberry-pi-4", tmp_path))
        assert finding.verdict == "fail"
        assert finding.why == "/ became read-only after 14 errors of /dev/mmcblk0p2: save what is on it"
        assert finding.mend.startswith("journalctl -k -g")

    def test_read_only_without_a_reason(self, tmp_path) -> None:
        machine = board("raspberry-pi-4", tmp_path)
        (tmp_path / "sys/fs/ext4/mmcblk0p2/errors_count").write_text("0\n")
        finding = check_disk(machine)
        assert finding.verdict == "fail"
        assert "/ is read-only, which /etc/fstab does not ask for" in finding.why

    def test_read_only_on_purpose(self, tmp_path) -> None:
        machine = board("raspberry-pi-4", tmp_path)
        write_files(
            tmp_path, {"etc/fstab": "# root\n/dev/mmcblk0p2 / ext4 ro 0 1\n", "sys/fs/ext4/mmcblk0p2/errors_count": "0"}
        )
        finding = check_disk(machine)
        assert finding.verdict == "warn"
        assert finding.why.endswith("/, which is read-only: none can be built")
        elsewhere = dataclasses.replace(machine, home=Path("/media/a drive/store"))
        assert check_disk(elsewhere).verdict == "ok"

    @pytest.mark.parametrize(
        ("mountinfo", "more"),
        [
            ("21 1 179:2 / / ro - ext4 /dev/mmcblk0p2 rw", {}),  # a container of systemd's: ProtectSystem=strict
            ("21 1 0:45 / / ro - overlay overlay ro,lowerdir=/a", {}),  # docker run --read-only
            ("21 1 179:2 / / ro - ext4 /dev/mmcblk0p2 ro", {"etc/fstab": "", "proc/cmdline": "root=/dev/x ro quiet\n"}),
            ("21 1 179:2 / / ro - squashfs /dev/loop0 ro", {}),
        ],
    )
    def test_what_others_made_read_only_is_no_fault(self, tmp_path, mountinfo, more) -> None:
        machine = board("raspberry-pi-5", tmp_path, usage=lambda _: DiskUsage(1, 0, 0))
        write_files(tmp_path, {"proc/self/mountinfo": f"{mountinfo}\n", **more})
        assert check_disk(machine).verdict == "warn"  # no engine can be built; its lack of room does not matter then
        assert "is read-only: none can be built" in check_disk(machine).why

    @pytest.mark.parametrize("option", ["emergency_ro", "shutdown"])
    def test_read_only_in_the_words_of_newer_kernels(self, tmp_path, option) -> None:
        machine = board("raspberry-pi-5", tmp_path)
        write_files(tmp_path, {"proc/self/mountinfo": f"21 1 179:2 / / rw - ext4 /dev/mmcblk0p2 rw,{option}\n"})
        finding = check_disk(machine)
        assert (finding.verdict, finding.why) == ("fail", "/ is read-only, which /etc/fstab does not ask for")

    def test_a_name_with_a_space_in_fstab(self, tmp_path) -> None:
        machine = board("raspberry-pi-5", tmp_path, home=Path("/media/a drive#1/store"))
        write_files(
            tmp_path,
            {
                "proc/self/mountinfo": "22 21 8:1 / /media/a\\040drive\\0431 ro - ext4 /dev/sda1 ro\n",
                "etc/fstab": "/dev/sda1 /media/a\\040drive#1 ext4 ro 0 0\n",
            },
        )
        assert "/media/a drive#1, which is read-only: none can be built" in check_disk(machine).why

    def test_errors_of_a_root_that_the_kernel_calls_root(self, tmp_path) -> None:
        """As without an initial RAM disk; the link in /sys/dev/block tells which device it is."""
        machine = board("raspberry-pi-zero-2-w", tmp_path)
        (tmp_path / "sys/dev/block").mkdir(parents=True)
        (tmp_path / "sys/dev/block/179:2").symlink_to("../../devices/mmc0/block/mmcblk0/mmcblk0p2")
        write_files(tmp_path, {"sys/fs/ext4/mmcblk0p2/errors_count": "3\n"})
        assert "/ has 3 errors on /dev/root" in check_disk(machine).why

    def test_a_share_whose_server_is_gone_is_not_waited_for(self, tmp_path) -> None:
        config = Config(version=1, save=SaveConfig(folder="/mnt/share/pictures"))

        def usage(folder: Path) -> DiskUsage:
            if folder.is_relative_to("/mnt/share"):
                raise TimeoutError
            return DiskUsage(1, 5 << 30, None)

        machine = board(
            "raspberry-pi-5", tmp_path, usage=usage, configurations=(Configured(Path("x.yaml"), "", config),)
        )
        finding = check_disk(machine)
        assert finding.verdict == "fail"
        assert finding.why.startswith("/mnt/share/pictures does not answer")

    def test_names_in_commands_are_quoted(self, tmp_path) -> None:
        machine = board(
            "raspberry-pi-4", tmp_path, home=Path("/media/a drive/x"), usage=lambda _: DiskUsage(1, 0, None)
        )
        assert "'/media/a drive'" in check_disk(machine).mend

    def test_errors_that_were_survived(self, tmp_path) -> None:
        finding = check_disk(board("laptop", tmp_path))
        assert finding.verdict == "warn"
        assert "/var/lib has 2 errors on /dev/mmcblk0p1" in finding.why

    def test_an_overlay_forgets(self, tmp_path) -> None:
        """As raspi-config's read-only root is one, and a container."""
        machine = board("raspberry-pi-5", tmp_path)
        write_files(
            tmp_path, {"proc/self/mountinfo": "21 1 0:30 / / rw - overlay overlay rw,lowerdir=/lower,upperdir=/upper\n"}
        )
        finding = check_disk(machine)
        assert finding.verdict == "ok"
        assert "free on / (where what is written may be gone after a restart)" in finding.why

    def test_a_link_leads_to_another_file_system(self, tmp_path) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "store").symlink_to(tmp_path / "data")
        machine = board("raspberry-pi-5", tmp_path, home=tmp_path / "store")
        data = f"{tmp_path.resolve()}/data"
        lines = f"21 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 8:17 / {data} ro - ext4 /dev/sdb1 ro\n"
        write_files(tmp_path, {"proc/self/mountinfo": lines})
        assert f"{tmp_path.resolve()}/data is read-only" in check_disk(machine).why


@pytest.mark.parametrize(
    "name", ["raspberry-pi-5", "raspberry-pi-4", "raspberry-pi-zero-2-w", "jetson-orin-nano", "laptop"]
)
def test_no_rubbish_of_the_kernels_stops_a_check(name, tmp_path) -> None:
    """Each file in turn holds nothing, no text, no number, too much, or is a folder: every check still has its say."""
    machine = board(name, tmp_path, list_cameras=lambda: (UNICAM,))
    looks = (
        check_board,
        check_throttling,
        check_disk,
        check_flash,
        check_cma,
        check_ram,
        check_temperature,
        check_clock,
    )
    for file in [path for path in tmp_path.rglob("*") if path.is_file()]:
        before = file.read_bytes()
        for rubbish in (b"", b"\xff\xfe\0", b"-1", b"9" * 5000, b": 0x\n=\n a b c d\nkB\n" * 3):
            file.write_bytes(rubbish)
            assert all(look(machine).why for look in looks), file
        file.unlink()
        file.mkdir()
        assert all(look(machine).why for look in looks), file
        file.rmdir()
        file.write_bytes(before)


class TestFlash:
    @pytest.mark.parametrize(
        ("name", "verdict", "why"),
        [
            ("raspberry-pi-5", "ok", "SD card SN64G of 09/2023: does not tell how worn it is"),
            ("raspberry-pi-zero-2-w", "ok", "SD card USD00: does not tell how worn it is"),
            ("laptop", "warn", "eMMC DF4064 of 03/2020 is nearly worn out: up to 100 % of its life is used"),
            ("jetson-orin-nano", "ok", "no SD card and no eMMC; of a drive `sudo smartctl -a DEVICE` tells"),
        ],
    )
    def test_boards(self, tmp_path, name, verdict, why) -> None:
        finding = check_flash(board(name, tmp_path))
        assert (finding.verdict, finding.why) == (verdict, why)

    @pytest.mark.parametrize(
        ("life_time", "pre_eol", "verdict", "why"),
        [
            ("0x02 0x01", "0x01", "ok", "up to 20 % of its life is used"),
            ("0x00 0x00", "0x00", "ok", "does not tell"),
            ("0x0b 0x01", "0x01", "fail", "at the end of its life"),
            ("0x03 0x01", "0x03", "fail", "at the end of its life"),
            ("0x00 0x00", "0x02", "warn", "80 % of its spare blocks are used"),
            ("rubbish", "", "ok", "does not tell"),
        ],
    )
    def test_emmc(self, tmp_path, life_time, pre_eol, verdict, why) -> None:
        machine = board("laptop", tmp_path)
        device = tmp_path / "sys/block/mmcblk0/device"
        (device / "life_time").write_text(life_time)
        (device / "pre_eol_info").write_text(pre_eol)
        finding = check_flash(machine)
        assert finding.verdict == verdict
        assert why in finding.why


class TestCma:
    def test_little_of_it_where_a_ribbon_camera_is(self, tmp_path) -> None:
        finding = check_cma(board("raspberry-pi-zero-2-w", tmp_path, list_cameras=lambda: (UNICAM,)))
        assert finding.verdict == "warn"
        assert "10 of 64 MiB" in finding.why
        assert "dtoverlay=vc4-kms-v3d,cma-" in finding.why
        assert finding.mend == "sudo nano /boot/firmware/config.txt"

    def test_little_of_it_is_no_matter_without(self, tmp_path) -> None:
        assert check_cma(board("raspberry-pi-zero-2-w", tmp_path)).verdict == "ok"
        assert check_cma(board("jetson-orin-nano", tmp_path / "jetson")).verdict == "ok"

    def test_a_pi_5_needs_none(self, tmp_path) -> None:
        root = write_files(tmp_path, {"proc/meminfo": "CmaTotal: 65536 kB\nCmaFree: 100 kB\n"})
        assert check_cma(make_machine(root, list_cameras=lambda: (CFE,))).verdict == "ok"

    def test_enough(self, tmp_path) -> None:
        finding = check_cma(board("raspberry-pi-4", tmp_path, list_cameras=lambda: (UNICAM,)))
        assert (finding.verdict, finding.why) == ("ok", "430 of 512 MiB of memory in one piece (CMA) are free")

    def test_a_kernel_without(self, tmp_path) -> None:
        assert check_cma(board("laptop", tmp_path, list_cameras=lambda: (UNICAM,))).verdict == "ok"


class TestRam:
    def test_boards_with_enough(self, tmp_path) -> None:
        finding = check_ram(board("raspberry-pi-5", tmp_path))
        assert finding.verdict == "ok"
        assert finding.why == "7215 of 8063 MiB can still be had, and 511 MiB of swap are free"

    def test_a_small_board_that_is_full(self, tmp_path) -> None:
        finding = check_ram(board("raspberry-pi-zero-2-w", tmp_path))
        assert finding.verdict == "warn"
        assert finding.why.startswith("89 of 417 MiB can still be had, and 17 MiB of swap are free; a run takes about")

    def test_a_board_that_waits_for_memory(self, tmp_path) -> None:
        machine = board("laptop", tmp_path)
        pressure = (
            "some avg10={:.2f} avg60=20.11 avg300=4.05 total=12345678\nfull avg10=1.00 avg60=0 avg300=0 total=1\n"
        )
        write_files(tmp_path, {"proc/pressure/memory": pressure.format(44.5)})
        assert "programs waited for memory 44 % of the time" in check_ram(machine).why
        write_files(tmp_path, {"proc/pressure/memory": pressure.format(3)})
        assert check_ram(machine).verdict == "ok"

    def test_a_kernel_that_does_not_say(self, tmp_path) -> None:
        assert check_ram(make_machine(tmp_path)).verdict == "ok"


class TestTemperature:
    @pytest.mark.parametrize(
        ("name", "verdict", "why"),
        [
            ("raspberry-pi-5", "ok", "cpu-thermal 55 °C; slows itself down at 80"),
            (
                "raspberry-pi-zero-2-w",
                "warn",
                "cpu-thermal 76 °C, and will slow itself down at 80: give it a heat sink",
            ),
            ("raspberry-pi-4", "warn", "cpu-thermal 81 °C, and slows itself down from 80 on: give it a heat sink"),
            ("jetson-orin-nano", "ok", "cpu-thermal 52 °C; slows itself down at 99"),
            ("laptop", "ok", "x86_pkg_temp 96 °C"),
        ],
    )
    def test_boards(self, tmp_path, name, verdict, why) -> None:
        finding = check_temperature(board(name, tmp_path))
        assert finding.verdict == verdict
        assert finding.why.startswith(why)
        assert bool(finding.mend) == (verdict != "ok")

    def test_about_to_turn_itself_off(self, tmp_path) -> None:
        machine = board("jetson-orin-nano", tmp_path)
        (tmp_path / "sys/class/thermal/thermal_zone8/temp").write_text("100500")
        finding = check_temperature(machine)
        assert finding.verdict == "fail"
        assert finding.why.startswith("tj-thermal 100 °C, and turns itself off at 104")

    def test_no_sensor(self, tmp_path) -> None:
        assert check_temperature(make_machine(tmp_path)).verdict == "ok"


class TestClock:
    def test_synchronised(self, tmp_path) -> None:
        finding = check_clock(board("raspberry-pi-5", tmp_path))
        assert (finding.verdict, finding.why) == ("ok", "synchronised; a real-time clock is there")

    def test_not_synchronised(self, tmp_path) -> None:
        machine = board("raspberry-pi-5", tmp_path / "5", clock_synced=lambda: False)
        finding = check_clock(machine)
        assert (finding.verdict, finding.mend) == ("warn", "sudo apt install systemd-timesyncd")
        write_files(
            machine.root, {"usr/lib/systemd/ntp-units.d/80-systemd-timesync.list": "systemd-timesyncd.service\n"}
        )
        finding = check_clock(machine)
        assert finding.verdict == "warn"
        assert "a real-time clock is there" in finding.why
        assert finding.mend.startswith("sudo timedatectl set-ntp true")
        assert [fix.command for fix in finding.fixes] == [("timedatectl", "set-ntp", "true")]
        finding = check_clock(board("raspberry-pi-zero-2-w", tmp_path / "zero", clock_synced=lambda: False))
        assert "there is no real-time clock" in finding.why
        assert (finding.mend, finding.fixes) == ("", ())  # no systemd there
