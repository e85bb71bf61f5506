"""install.sh in namespaces of its own: it runs nothing that others have planted.

tests/service shows the same of a whole system. The packages that it installs are stand-ins; Python, pip, tar and the
shell are this machine's.
"""

import importlib.util
import json
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.namespaces import with_mounts
from support.planted import WITNESS, hostile_environment, plant, run_by

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
INSTALLED = "/opt/mnv2-edge/current"
AS_SUDO = "/usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin"
"""What leaves nothing but the current folder to be found things in."""
ACTIONS = {
    "control": "cd /tmp && /usr/bin/python3 -c 'import json'",
    "dry-run": "cd /tmp && sh /run/given/tree/deploy/install.sh --dry-run",
    "dry-run by sudo": f"cd /tmp && {AS_SUDO} sh /run/given/tree/deploy/install.sh --dry-run",
    "install": "cd /tmp && sh /run/given/one/install.sh --offline /run/given/one.tar",
    "command": f"cd /tmp && /usr/local/bin/mnv2-edge && {INSTALLED}/venv/bin/mnv2-edge",
    "mend nothing": f"cd /var/lib/mnv2-edge && {INSTALLED}/install.sh --mend",
    "mend nothing by systemd": f"cd /var/lib/mnv2-edge && {AS_SUDO} {INSTALLED}/install.sh --mend",
    "mend": f"cd /var/lib/mnv2-edge && /usr/bin/rm -r {INSTALLED}/venv/lib && {INSTALLED}/install.sh --mend",
    "upgrade": f"cd {HOME} && sh /run/given/two/install.sh --offline ../../run/given/two.tar",
    "rollback": f"cd /var/cache/mnv2-edge && {INSTALLED}/install.sh --rollback",
    "network": "cd /tmp && sh /run/given/tree/deploy/install.sh",
    "uninstall": f"cd /tmp && {INSTALLED}/install.sh --uninstall",
    "purge": f"cd {HOME} && sh /run/given/one/install.sh --purge",
}
NO_NETWORK = {"network"}
"""What goes as far as pip, or the missing parts of it, and then cannot go on."""
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


@pytest.fixture(scope="module")
def given(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two bundles, each unpacked as well, a source tree, and what is planted."""
    folder = tmp_path_factory.mktemp("given")
    for name, version in (("one", "1.0"), ("two", "2.0")):
        bundle = folder / name
        (bundle / "wheels").mkdir(parents=True)
        _write_wheel(bundle / "wheels", version)
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
    return folder


@pytest.fixture(scope="module")
def found(given: Path) -> Mapping[str, tuple[int, str, str]]:
    """Return of every action its exit status, what it said, and what of the planted files was run."""
    return _act(given, ACTIONS)


def _act(given: Path, actions: Mapping[str, str]) -> Mapping[str, tuple[int, str, str]]:
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


def test_what_is_planted_would_tell(found):
    assert run_by(0, found["control"][2])


@pytest.mark.parametrize("action", sorted(set(ACTIONS) - {"control"}))
def test_nothing_that_is_planted_is_run(found, action):
    status, said, told = found[action]
    assert run_by(0, told) == []
    assert status == 0 or action in NO_NETWORK, said


def test_it_did_what_it_was_to_do(found):
    assert "making its environment again" in found["mend"][1]
    assert "2.0 is installed" in found["upgrade"][1]
    assert "1.0 runs again" in found["rollback"][1]
    assert "fetching wheels" in found["network"][1]


TREE, BUNDLE = "sh /run/given/tree/deploy/install.sh", "sh /run/given/one/install.sh --offline /run/given/one.tar"
WRITABLE = {
    "a folder of the tree": ("/run/given/tree/deploy", TREE),
    "a file of the tree": ("/run/given/tree/pyproject.toml", TREE),
    "what the tree lies in": ("/run/given", TREE),
    "the bundle": ("/run/given/one.tar", BUNDLE),
    "what the bundle lies in": ("/run/given", BUNDLE),
    "where it goes": ("/opt/mnv2-edge", BUNDLE),
}
"""What others may write, and what is refused then."""


@pytest.fixture(scope="module")
def refused(given):
    change = "[ -e {0} ] || mkdir {0}; chmod o+w {0}; {1}; status=$?; chmod o-w {0}; exit $status"
    return _act(given, {name: change.format(*what) for name, what in WRITABLE.items()})


@pytest.mark.parametrize("name", WRITABLE)
def test_what_others_may_write_root_does_not_run(refused, name):
    status, said, _ = refused[name]
    assert status == 77, said
    assert "install.sh: error: others may write " in said.splitlines()[-1]


@pytest.fixture(scope="module")
def told(given):
    """Return what became of a tree of ann's with mode 775, by who typed: 77, or 69 for want of a network."""
    users = "echo ann:x:61112: >> /etc/group; echo bob:x:61113:ann >> /etc/group; "
    for name, number in (("ann", 61112), ("bob", 61113)):
        users += f"echo {name}:x:{number}:{number}::/home/{name}:/bin/sh >> /etc/passwd; "
    tree = "chown -R 61112:{0} /run/given/tree; chmod -R g+w /run/given/tree; "
    run = "/usr/bin/env -i {1} sh /run/given/tree/deploy/install.sh"
    typed = {
        "ann": ("61112", "SUDO_UID=61112 SUDO_GID=61112"),
        "bob": ("61112", "SUDO_UID=61113 SUDO_GID=61113"),
        "root": ("61112", ""),
        "nobody knows": ("61112", "SUDO_UID=x SUDO_GID=y"),
        "ann, group of others": ("61113", "SUDO_UID=61112 SUDO_GID=61113"),
    }
    commands = {who: (users if who == "ann" else "") + (tree + run).format(*what) for who, what in typed.items()}
    return {who: what[:2] for who, what in _act(given, commands).items()}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
class TestATreeOfWhoTypedSudo:
    """A checkout is somebody's; what they type is trusted, and so is what they own."""

    def test_is_taken(self, told):
        status, said = told["ann"]
        assert (status, "others may write" in said) == (69, False), said

    @pytest.mark.parametrize("who", ["bob", "root", "nobody knows", "ann, group of others"])
    def test_is_refused_to_anybody_else(self, told, who):
        status, said = told[who]
        assert status == 77, said
        assert "others may write /run/given/tree, and root would run it" in said


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


def _write_wheel(folder: Path, version: str) -> None:
    """Write a stand-in for ours and for what it needs."""
    information = f"mnv2_edge-{version}.dist-info"
    with zipfile.ZipFile(folder / f"mnv2_edge-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("mnv2_edge/__init__.py", "import json\n")
        wheel.writestr("mnv2_edge/__main__.py", "def main():\n    print('ran')\n")
        wheel.writestr("numpy.py", "__version__ = '2.0'\n")
        wheel.writestr("cv2.py", "")
        wheel.writestr(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: mnv2-edge\nVersion: {version}\n")
        wheel.writestr(
            f"{information}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{information}/entry_points.txt", "[console_scripts]\nmnv2-edge = mnv2_edge.__main__:main\n")
        wheel.writestr(f"{information}/RECORD", "")
