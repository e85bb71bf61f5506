"""The import of TensorRT, or the exact reason why it fails and what to type."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from mnv2_engines.errors import BackendUnavailableError
from mnv2_engines.tensorrt.jetson import is_jetson, read_jetson

__all__ = ["ThisPython", "explain_missing", "import_tensorrt"]

_FOLDER: Final = re.compile(r"python3(?:\.(?P<minor>\d+))?")
_LIBRARY: Final = re.compile(r"(?P<name>lib[\w+-]+\.so[.\d]*): cannot open shared object file")
_DRIVER: Final = ("libcuda.", "libnvdla", "libnvrm", "libnvos", "libnvsci")
"""Libraries of the driver (L4T), which a container gets from the host."""
_GUIDE: Final = "docs/jetson.md"


@dataclass(frozen=True, slots=True)
class ThisPython:
    """The interpreter that has to import it."""

    version: tuple[int, int]
    prefix: str
    """Where it is: the virtual environment's folder, if it is one."""
    base_prefix: str
    """Where the Python behind a virtual environment is; `/usr` for the system's."""
    path: tuple[str, ...]
    """`sys.path`."""


def import_tensorrt(root: Path = Path("/")) -> ModuleType:
    """Return the module `tensorrt`; `root` is where to look for reasons when there is none.

    Raises BackendUnavailableError with the reason and the next command.
    """
    try:
        import tensorrt
    except ModuleNotFoundError as exc:
        if exc.name != "tensorrt":
            raise BackendUnavailableError(_explain_broken(exc)) from exc
        this = ThisPython(sys.version_info[:2], sys.prefix, sys.base_prefix, tuple(sys.path))
        raise BackendUnavailableError(explain_missing(this, root)) from exc
    except (ImportError, OSError, AttributeError, RuntimeError, ValueError) as exc:
        raise BackendUnavailableError(_explain_broken(exc)) from exc
    module: ModuleType = tensorrt
    return module


def explain_missing(this: ThisPython, root: Path) -> str:
    """Return why there is no module `tensorrt` on the path: it is elsewhere, or nowhere under `root`."""
    jetson = read_jetson(root)
    if jetson.unsupported:
        return f"TensorRT cannot be used: {jetson.unsupported}; {_ON_CPU}"
    folders = [folder for folder in _installed(root) if str(folder.parent) not in this.path]
    if folders:
        return _explain_elsewhere(this, folders[-1], root)
    if jetson.is_jetson:
        return f"TensorRT's Python module is not installed (L4T {jetson.l4t}): `sudo apt install python3-libnvinfer`"
    if is_jetson(root):
        return (
            f"TensorRT is not installed in this container: take an image that holds it, and start it with "
            f"`--runtime nvidia` ({_GUIDE})"
        )
    return f"TensorRT is not installed and this is not a Jetson: expected JetPack 6.0 or later; {_ON_CPU}"


_ON_CPU: Final = "for its CPU: `mnv2-edge build-engine MODEL.onnx --target litert --calibration FOLDER`"


def _installed(root: Path) -> list[Path]:
    """Return the folders `tensorrt` of the system's Pythons, the newest Python last."""
    return sorted(root.glob("usr/lib/python3*/dist-packages/tensorrt"), key=lambda folder: _minor(folder) or 0)


def _minor(folder: Path) -> int | None:
    """Return the x of `/usr/lib/python3.x/dist-packages/tensorrt`, None for `python3`, which is for all of them."""
    match = _FOLDER.fullmatch(folder.parent.parent.name)
    return int(match["minor"]) if match and match["minor"] else None


def _explain_elsewhere(this: ThisPython, folder: Path, root: Path) -> str:
    place = "/" + str(folder.parent.relative_to(root))
    minor = this.version[1] if _minor(folder) is None else _minor(folder)
    python = f"/usr/bin/python3.{minor}"
    if minor != this.version[1]:
        return (
            f"TensorRT is installed for Python 3.{minor}, this is Python {this.version[0]}.{this.version[1]}: make the "
            f"environment with the system's Python, `{python} -m venv --system-site-packages .venv`, and install "
            "mnv2-edge into it"
        )
    if this.base_prefix != "/usr":
        return (
            f"TensorRT is installed for the system's Python ({place}), this one is in {this.base_prefix}: make the "
            f"environment with `{python} -m venv --system-site-packages .venv` and install mnv2-edge into it"
        )
    if this.prefix != this.base_prefix:
        return (
            f"TensorRT is installed in {place}, which the virtual environment {this.prefix} does not see: "
            f"`{python} -m venv --system-site-packages {this.prefix}` opens it and keeps what is in it"
        )
    return f"TensorRT is installed in {place}, which is not on sys.path: is PYTHONPATH, -I or -S in the way? ({python})"


def _explain_broken(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    library = _LIBRARY.search(text)
    if library is not None and library["name"].startswith(_DRIVER):
        return (
            f"TensorRT cannot be imported: {library['name']} is missing, which belongs to the driver: in a container "
            "start it with `--runtime nvidia`; on the device `sudo apt install --reinstall nvidia-l4t-core`"
        )
    if library is not None:
        return (
            f"TensorRT cannot be imported: {library['name']} is missing: "
            "`sudo apt install --reinstall tensorrt python3-libnvinfer`"
        )
    if "numpy" in text.lower() or "_ARRAY_API" in text:
        return (
            f"TensorRT cannot be imported with this numpy: {_short(text)}: `pip install --constraint "
            "deploy/constraints-numpy1.txt mnv2-edge` takes the numpy that it was made for"
        )
    return f"TensorRT cannot be imported: {_short(text)}: see {_GUIDE}, then `mnv2-edge doctor --tensorrt`"


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]} ..."
