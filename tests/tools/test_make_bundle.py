"""The bundle's own work; that a system installs itself from one is shown in tests/service."""

import importlib.util
import subprocess
import sys
import tarfile
import zipfile

import pytest


@pytest.fixture(scope="session")
def make_bundle(root):
    spec = importlib.util.spec_from_file_location("make_bundle", root / "tools" / "make_bundle.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wheel(folder, name, *requires, tags="py3-none-any"):
    path = folder / f"{name}-1.0-{tags}.whl"
    lines = "".join(f"Requires-Dist: {line}\n" for line in requires)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{lines}"
        )
    return path


class TestMissing:
    """pip looks at markers with the eyes of the Python that runs it."""

    @pytest.fixture
    def missing(self, make_bundle, tmp_path):
        return lambda python, machine="aarch64": make_bundle.missing_requirements(
            tmp_path, make_bundle.Target(python, machine)
        )

    def test_what_only_an_older_python_needs_is_found(self, missing, tmp_path):
        wheel(tmp_path, "ours", "there>=1", "older>=2; python_version < '3.11'", "arm; platform_machine == 'armv7l'")
        wheel(tmp_path, "there")
        assert missing("3.10") == ["older>=2"]
        assert missing("3.11") == []

    def test_a_wheel_for_another_python_does_not_count(self, missing, tmp_path):
        wheel(tmp_path, "ours", "numpy>=1.24")
        wheel(tmp_path, "numpy", tags="cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64")
        assert missing("3.11") == []
        assert missing("3.12") == ["numpy>=1.24"]
        assert missing("3.11", "x86_64") == ["numpy>=1.24"]

    def test_extras_are_not_wanted(self, missing, tmp_path):
        wheel(tmp_path, "ours", "pytest; extra == 'test'")
        assert missing("3.11") == []


class TestExtras:
    """What a configuration of the service may name."""

    @pytest.fixture
    def needed(self, make_bundle, tmp_path):
        cuda = [
            f"cuda-python>={old},<{new}; python_version {when} '3.12' and extra == 'cuda'" for old, new, when in CUDA
        ]
        ours = wheel(tmp_path, "ours", "numpy>=1.24", "av>=12; extra == 'rtsp'", "pytest; extra == 'test'", *cuda)
        return lambda python, machine="aarch64": make_bundle.extra_requirements(
            ours, make_bundle.Target(python, machine)
        )

    def test_rtsp_everywhere_and_cuda_for_the_pythons_of_jetpack(self, needed):
        assert needed("3.10") == ["av>=12", "cuda-python<13,>=12.2"]
        assert needed("3.11") == ["av>=12"]
        assert needed("3.12") == ["av>=12", "cuda-python<14,>=13"]
        assert needed("3.10", "x86_64") == ["av>=12"]

    def test_they_are_among_those_of_the_project(self, root, make_bundle):
        text = (root / "pyproject.toml").read_text()
        for extra in make_bundle.Target("3.10", "aarch64").extras():
            assert f"\n{extra} = [" in text


CUDA = (("12.2", "13", "<"), ("13", "14", ">="))


def test_the_archive_holds_what_the_installer_wants_and_the_same_bytes_each_time(make_bundle, root, tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel(wheels, "ours")
    archive = make_bundle.pack(tmp_path / "a", "bundle", wheels)
    again = make_bundle.pack(tmp_path / "b", "bundle", wheels)
    assert archive.read_bytes() == again.read_bytes()
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "out", filter="data")
    folder = tmp_path / "out" / "bundle"
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    assert files == {line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    assert {"install.sh", "wheels/ours-1.0-py3-none-any.whl", "systemd/mnv2-edge@.service"} <= files
    installer = (root / "deploy" / "install.sh").read_text()
    for place in ("sysusers.conf", "tmpfiles.conf", "99-mnv2-edge.rules"):
        assert f"deploy/{place}" in files
        assert place in installer


def test_it_explains_itself(root):
    done = subprocess.run(
        [sys.executable, root / "tools" / "make_bundle.py", "--help"], capture_output=True, text=True, check=False
    )
    assert "--python" in done.stdout
