"""Files that others have put where root might look, each of which tells who ran or imported it."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

WITNESS = "/run/planted-witness"
MODULES = (
    "mnv2_edge",
    "mnv2_engines",
    "numpy",
    "cv2",
    "venv",
    "ensurepip",
    "pip",
    "json",
    "sitecustomize",
    "usercustomize",
)
PROGRAMS = (
    *(
        "apt-get",
        "awk",
        "basename",
        "chmod",
        "cp",
        "cut",
        "date",
        "df",
        "dirname",
        "du",
        "env",
        "find",
        "flock",
        "getent",
    ),
    *("head", "id", "install", "ln", "mkdir", "mktemp", "mv", "nice", "python3", "readlink", "rm", "rmdir", "runuser"),
    *("sed", "setpriv", "sha256sum", "sleep", "sort", "stat", "systemctl", "systemd-sysusers", "systemd-tmpfiles"),
    *("tail", "tar", "timeout", "tr", "udevadm", "uname", "userdel", "xargs", "journalctl", "timedatectl"),
)

_MODULE = f"""import os
try:
    with open({WITNESS!r}, "a") as file:
        file.write(f"{{os.geteuid()}} {{__file__}}\\n")
except OSError:
    pass
"""
_PROGRAM = f"""#!/bin/sh
echo "$(/usr/bin/id -u) $0" >> {WITNESS}
for folder in /usr/sbin /usr/bin /sbin /bin; do
    [ ! -x "$folder/NAME" ] || exec "$folder/NAME" "$@"
done
exit 127
"""


def plant(folder: Path, pythons: Sequence[str], seen_as: str) -> None:
    """Fill a folder, which those who run things see as `seen_as`; `pythons` are versions as in `3.11`."""
    for name in MODULES:
        _write(folder / f"{name}.py", _MODULE)
    for name in PROGRAMS:
        _write(folder / "bin" / name, _PROGRAM.replace("NAME", name), mode=0o755)
    for site in (".", *(f".local/lib/python{python}/site-packages" for python in pythons)):
        line = f"import os; open({WITNESS!r}, 'a').write(f'{{os.geteuid()}} {seen_as}/{site}/planted.pth\\n')\n"
        _write(folder / site / "planted.pth", line)
        for name in MODULES:
            _write(folder / site / f"{name}.py", _MODULE)
    wheels = folder / "wheels"
    wheels.mkdir()
    for distribution in ("mnv2_edge", "numpy", "pip", "hatchling", "click"):
        _write_wheel(wheels, distribution)
    for place in ("pip.conf", ".pip/pip.conf", ".config/pip/pip.conf", "pip/pip.conf"):
        _write(folder / place, f"[global]\nfind-links = {seen_as}/wheels\n[install]\ntarget = {seen_as}/target\n")
    _write(folder / "shell.sh", f'echo "$(/usr/bin/id -u) {seen_as}/shell.sh" >> {WITNESS}\n')


def hostile_environment(folder: str) -> Mapping[str, str]:
    """Return variables by which what is planted in a folder is found; others may set them for root with `sudo -E`."""
    return {
        "PATH": f"{folder}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": folder,
        "CDPATH": folder,
        "ENV": f"{folder}/shell.sh",
        "BASH_ENV": f"{folder}/shell.sh",
        "PIP_CONFIG_FILE": f"{folder}/pip.conf",
        "PIP_FIND_LINKS": f"{folder}/wheels",
        "PIP_TARGET": f"{folder}/target",
        "PYTHONPATH": folder,
        "PYTHONSTARTUP": f"{folder}/json.py",
        "PYTHONUSERBASE": f"{folder}/.local",
        "PYTHONPYCACHEPREFIX": f"{folder}/cache",
        "TAR_OPTIONS": f"--checkpoint=1 --checkpoint-action=exec={folder}/bin/id",
        "XDG_CACHE_HOME": f"{folder}/.cache",
        "XDG_CONFIG_DIRS": folder,
        "XDG_CONFIG_HOME": f"{folder}/.config",
    }


def run_by(uid: int, told: str) -> list[str]:
    """Return which of the planted files a user has run, by what the witness was told."""
    return sorted({line for line in told.splitlines() if line.split(" ")[0] == str(uid)})


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def _write_wheel(folder: Path, distribution: str) -> None:
    """Write a wheel that pip prefers to any other; it tells when it is imported, or Python starts with it."""
    information = f"{distribution}-99.dist-info"
    with zipfile.ZipFile(folder / f"{distribution}-99-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{distribution}/__init__.py", _MODULE)
        wheel.writestr(f"{distribution}/__main__.py", _MODULE)
        line = f"import os; open({WITNESS!r}, 'a').write(f'{{os.geteuid()}} wheel of {distribution}\\n')\n"
        wheel.writestr(f"{distribution}-planted.pth", line)
        wheel.writestr(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 99\n")
        wheel.writestr(
            f"{information}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{information}/RECORD", "")
