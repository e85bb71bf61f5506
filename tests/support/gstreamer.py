"""Find GStreamer for Python, which apt installs for the system's Python only."""

import importlib.util
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from types import ModuleType

import pytest

SYSTEM_PYTHON = "/usr/bin/python3"
PACKAGES = "python3-gi gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base"


def need_gstreamer(*elements: str, packages: str = PACKAGES) -> ModuleType:
    """Return Gst; where it or an element is missing skip and name the packages, in CI fail.

    The system's PyGObject is borrowed when its Python has the version of this one.
    """
    _borrow_gi()
    from mnv2_edge.errors import LibraryMissingError
    from mnv2_edge.sources.system_libraries import import_gstreamer

    try:
        with warnings.catch_warnings():  # of PyGObject 3.42 about its own importer
            warnings.simplefilter("ignore", ImportWarning)
            gst = import_gstreamer()
            importlib.import_module("gi.repository.GLib")
            importlib.import_module("gi.repository.Gio")
    except LibraryMissingError as exc:
        give_up(f"{exc}", packages)
    for element in elements:
        if gst.ElementFactory.find(element) is None:
            give_up(f"GStreamer has no {element}", packages)
    return gst


def _borrow_gi() -> None:
    system = Path("/usr/lib/python3/dist-packages/gi")
    if importlib.util.find_spec("gi") is not None or not system.is_dir():
        return
    version = subprocess.run(
        [SYSTEM_PYTHON, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=False
    ).stdout.split()
    if version == [str(number) for number in sys.version_info[:2]]:
        folder = Path(tempfile.mkdtemp(prefix="mnv2-gi-"))
        (folder / "gi").symlink_to(system)
        sys.path.append(str(folder))
        importlib.invalidate_caches()


def give_up(reason: str, packages: str) -> None:
    """Skip the test with the reason and what to install; in CI fail."""
    text = f"{reason} (apt install {packages})"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)
