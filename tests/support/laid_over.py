"""A system laid over this one, on which install.sh may install what it likes; what it installs are stand-ins."""

import importlib.util
import json
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from support.namespaces import with_mounts
from support.planted import WITNESS, hostile_environment, plant

PYTHON = "/usr/bin/python3"
HOME = "/home/mallory"
STUBS = {
    "systemctl": '[ "$1" != --version ] || echo systemd 257',
    "systemd-sysusers": "echo mnv2-edge:x:61111:61111::/var/lib/mnv2-edge:/bin/false >> /etc/passwd",
    "systemd-tmpfiles": "mkdir -p /etc/mnv2-edge",
    "udevadm": "",
    "userdel": "",
}
PLACES = (HOME, "/tmp", "/var/lib/mnv2-edge", "/var/cache/mnv2-edge")
RUN_ALL = f"""
import json, os, subprocess, sys
actions, hostile = json.loads(sys.argv[1]), json.loads(sys.argv[2])
found = {{}}
for name, command in actions.items():
    open({WITNESS!r}, "w").close()
    os.chmod({WITNESS!r}, 0o666)
    done = subprocess.run(["/bin/sh", "-c", command], env=hostile, capture_output=True, text=True)
    found[name] = [done.returncode, done.stdout + done.stderr, open({WITNESS!r}).read()]
print(json.dumps(found))
"""


def make_given(root: Path, folder: Path) -> None:
    """Fill a folder with two bundles, each unpacked as well, a source tree, and what is planted.

    The first bundle holds the extras; the second a CUDA package without what it needs.
    """
    for name, version in (("one", "1.0"), ("two", "2.0")):
        bundle = folder / name
        (bundle / "wheels").mkdir(parents=True)
        _write_wheels(bundle / "wheels", version, whole=name == "one")
        (bundle / "wheels" / _pip_wheel().name).write_bytes(_pip_wheel().read_bytes())
        for part in ("deploy", "systemd", "docs"):
            subprocess.run(["cp", "-r", root / part, bundle / part], check=True)
        (bundle / "install.sh").write_bytes((root / "deploy/install.sh").read_bytes())
        sums = subprocess.run(
            "find . -type f ! -path ./SHA256SUMS | sed 's|^./||' | xargs -d '\\n' sha256sum > SHA256SUMS",
            shell=True,
            cwd=bundle,
            check=True,
        )
        assert sums.returncode == 0
        with tarfile.open(folder / f"{name}.tar", "w") as tar:
            tar.add(bundle, arcname=name)
    tree = folder / "tree"
    tree.mkdir()
    for part in ("deploy", "systemd", "pyproject.toml"):
        subprocess.run(["cp", "-r", root / part, tree / part], check=True)
    for number, place in enumerate(PLACES):
        plant(folder / f"planted-{number}", [_python_version()], place)
    stubs = folder / "stubs"
    stubs.mkdir()
    for name, text in STUBS.items():
        (stubs / name).write_text(f"#!/bin/sh\n{text}\n")
        (stubs / name).chmod(0o755)


def act(given: Path, actions: Mapping[str, str]) -> Mapping[str, tuple[int, str, str]]:
    """Run shell commands one after the other as root of a system laid over this one, with a hostile environment.

    `given` is at /run/given there. Return of each its exit status, what it said, and what the witness was told.
    """
    _need_python()
    mounts = ["-t tmpfs tmpfs /run", f"--mkdir --bind {given} /run/given-outside"]
    layers = "mkdir -p /run/systemd/system /run/given && cp -r /run/given-outside/. /run/given && "
    for name in ("etc", "usr", "var"):
        layers += f"mkdir -p /run/over/{name}/upper /run/over/{name}/work && "
        options = f"lowerdir=/{name},upperdir=/run/over/{name}/upper,workdir=/run/over/{name}/work,userxattr"
        layers += f"mount -t overlay overlay -o {options} /{name} && "
    for folder in ("/opt", "/home", "/tmp", "/root"):
        layers += f"mount -t tmpfs tmpfs {folder} && "
    layers += (
        "chown -R 0:0 /run/given && cp /run/given/stubs/* /usr/sbin/ && mkdir -p /usr/local/bin /etc/systemd/system && "
    )
    layers += "printf '[global]\\nno-index = true\\n' > /etc/pip.conf && "
    for number, place in enumerate(PLACES):
        layers += f"mkdir -p {place} && cp -rT /run/given/planted-{number} {place} && "
    hostile = json.dumps(dict(hostile_environment(HOME)) | {"MNV2_EDGE_READY_S": "1"})
    script = layers + f'{PYTHON} -I -c "$1" "$2" "$3" || exit 98'
    command = ["sh", "-c", script, "sh", RUN_ALL, json.dumps(dict(actions)), hostile]
    done = subprocess.run(
        with_mounts(mounts, command, other_users=True),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PATH": os.environ["PATH"]},
    )
    if done.returncode not in (0, 98):
        pytest.skip(f"no system of its own can be laid over this one: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    return {name: tuple(what) for name, what in json.loads(done.stdout).items()}


def _need_python() -> None:
    try:
        version = tuple(int(part) for part in _python_version().split("."))
    except (OSError, ValueError):
        pytest.skip(f"there is no {PYTHON}: install.sh takes the system's Python")
    if version < (3, 10):
        pytest.skip(f"{PYTHON} is older than 3.10")


def _python_version() -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([PYTHON, "-I", "-c", code], capture_output=True, text=True, check=False).stdout.strip()


def _pip_wheel() -> Path:
    """Return the wheel of pip that Python brings along, or Debian for it."""
    ensurepip = importlib.util.find_spec("ensurepip")
    folders = [Path(ensurepip.origin).parent / "_bundled"] if ensurepip and ensurepip.origin else []
    for folder in (*folders, Path("/usr/share/python-wheels")):
        for wheel in folder.glob("pip-*.whl"):
            return wheel
    pytest.skip("there is no wheel of pip: apt install python3-venv")


def _write_wheels(folder: Path, version: str, *, whole: bool) -> None:
    """Write stand-ins for ours and for what it needs; not `whole`: one is missing that another one needs."""
    _write_wheel(folder, "av", "1", [], {"av.py": ""})
    _write_wheel(folder, "cuda_python", "1", ["Requires-Dist: cuda-bindings"], {})
    if whole:
        _write_wheel(folder, "cuda_bindings", "1", [], {"cuda/__init__.py": "", "cuda/bindings/__init__.py": ""})
    extras = [line for name, need in (("rtsp", "av"), ("cuda", "cuda-python")) for line in _extra(name, need)]
    files = {
        "mnv2_edge/__init__.py": "import json\n",
        "mnv2_edge/__main__.py": "def main():\n    print('ran')\n",
        "numpy.py": "__version__ = '2.0'\n",
        "cv2.py": "",
        f"mnv2_edge-{version}.dist-info/entry_points.txt": "[console_scripts]\nmnv2-edge = mnv2_edge.__main__:main\n",
    }
    _write_wheel(folder, "mnv2_edge", version, extras, files)


def _extra(name: str, need: str) -> list[str]:
    return [f"Provides-Extra: {name}", f"Requires-Dist: {need}; extra == '{name}'"]


def _write_wheel(folder: Path, name: str, version: str, headers: Sequence[str], files: Mapping[str, str]) -> None:
    information = f"{name}-{version}.dist-info"
    head = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *headers]
    contents = {
        **files,
        f"{information}/METADATA": "\n".join(head) + "\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{information}/RECORD": "",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in contents.items():
            wheel.writestr(path, text)
