import platform
from pathlib import Path

from mnv2_engines.engine.device import describe_device

PI4 = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

Serial\t\t: 10000000abcdef01
"""


def board(root: Path, model: str, cpuinfo: str) -> Path:
    (root / "proc/device-tree").mkdir(parents=True)
    (root / "proc/device-tree/model").write_bytes(model.encode() + b"\0")
    (root / "proc/cpuinfo").write_text(cpuinfo)
    return root


def test_a_pi_is_named_by_its_device_tree(tmp_path: Path) -> None:
    facts = describe_device(board(tmp_path, "Raspberry Pi 4 Model B Rev 1.4", PI4))
    assert facts.board == "Raspberry Pi 4 Model B Rev 1.4"
    assert facts.cpu == "0x41 0xd08 0x0"
    assert facts.machine == platform.machine()


def test_the_fingerprint_is_the_make_not_the_one_board(tmp_path: Path) -> None:
    one = describe_device(board(tmp_path / "a", "Pi 4", PI4))
    twin = describe_device(board(tmp_path / "b", "Pi 4", PI4.replace("abcdef01", "abcdef02")))
    newer = describe_device(board(tmp_path / "c", "Pi 4", PI4.replace("crc32", "crc32 asimddp")))
    assert one.fingerprint == twin.fingerprint
    assert one.fingerprint != newer.fingerprint


def test_a_machine_that_says_nothing_is_unknown(tmp_path: Path) -> None:
    facts = describe_device(tmp_path)
    assert (facts.board, facts.cpu) == ("unknown", "unknown")
