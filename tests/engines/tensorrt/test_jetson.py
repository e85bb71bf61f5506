from pathlib import Path

from mnv2_engines.tensorrt.jetson import read_jetson, read_packages

STATUS = """Package: nvidia-jetpack
Status: install ok installed
Priority: optional
Version: 6.1+b123
Description: NVIDIA Jetpack Meta Package
 Version: not this one

Package: nvidia-l4t-core
Status: install ok installed
Architecture: arm64
Version: 36.4.0-20240912212859

Package: libnvinfer8
Status: deinstall ok config-files
Version: 8.6.2.3-1+cuda12.2
"""


def system(root: Path, *, release: str = "", status: str = "") -> Path:
    (root / "etc").mkdir()
    (root / "var/lib/dpkg").mkdir(parents=True)
    if release:
        (root / "etc/nv_tegra_release").write_text(release)
    (root / "var/lib/dpkg/status").write_text(status)
    return root


def test_a_flashed_board(tmp_path: Path) -> None:
    release = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: Wed Jan  8\n"
    jetson = read_jetson(system(tmp_path, release=release, status=STATUS))
    assert (jetson.l4t, jetson.jetpack) == ("36.4.3", "6.1")
    assert jetson.is_jetson
    assert not jetson.unsupported


def test_a_container_that_has_only_packages(tmp_path: Path) -> None:
    assert read_jetson(system(tmp_path, status=STATUS)).l4t == "36.4.0"


def test_a_package_that_was_removed_is_not_there(tmp_path: Path) -> None:
    found = read_packages(system(tmp_path, status=STATUS), {"libnvinfer8", "nvidia-jetpack"})
    assert found == {"nvidia-jetpack": "6.1+b123"}


def test_another_machine(tmp_path: Path) -> None:
    jetson = read_jetson(tmp_path)
    assert not jetson.is_jetson
    assert not jetson.unsupported


def test_a_board_that_is_too_old(tmp_path: Path) -> None:
    jetson = read_jetson(system(tmp_path, release="# R32 (release), REVISION: 7.1, GCID: 1\n"))
    assert "L4T 32.7.1" in jetson.unsupported
    assert "JetPack 6.0" in jetson.unsupported
