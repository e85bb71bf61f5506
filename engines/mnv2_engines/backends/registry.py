"""Which engine formats are installed: by name, by the ending of a file, and by its first bytes."""

import contextlib
import functools
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

from mnv2_engines.backends.format import HEAD_BYTES, Building, EngineFormat
from mnv2_engines.errors import UnknownFormatError

__all__ = ["GROUP", "buildable_formats", "detect_format", "find_format", "format_names", "formats", "require_building"]

GROUP: Final = "mnv2_engines.backends"


def format_names() -> tuple[str, ...]:
    """Return the registered names, in order. Imports no format."""
    return tuple(sorted(_entry_points().names))


def find_format(name: str) -> EngineFormat:
    """Import and return one format, and no other.

    Raises UnknownFormatError when it is not registered, when two packages claim the name, or when its entry point gives
    something else or cannot be imported.
    """
    return _find(tuple(sys.path), name)


def formats() -> Iterator[EngineFormat]:
    """Yield every format that can be imported, by name; `doctor` tells of one that cannot."""
    for name in format_names():
        with contextlib.suppress(UnknownFormatError):
            yield find_format(name)


def detect_format(path: Path, head: bytes) -> EngineFormat | None:
    """Return the format of a file that no manifest describes: by its first bytes, then by its ending; None: unknown."""
    known = tuple(formats())
    head = head[:HEAD_BYTES]
    found = next((form for form in known if form.has_magic is not None and form.has_magic(head)), None)
    return found or next((form for form in known if path.suffix in form.suffixes), None)


def buildable_formats() -> dict[str, Building]:
    """Return by name what can be made here, or could with a library that `Building.require` asks for."""
    return {form.name: form.building for form in formats() if form.building is not None}


def require_building(name: str) -> Building:
    """Return what can be made in a format. Raises UnknownFormatError when it is not registered or has no builder."""
    building = find_format(name).building
    if building is None:
        raise UnknownFormatError(
            f"{name!r} is a format of engines that are made elsewhere: build one of {', '.join(buildable_formats())}"
        )
    return building


@functools.lru_cache(maxsize=32)
def _find(path: tuple[str, ...], name: str) -> EngineFormat:
    points = tuple(_entry_points_on(path).select(name=name))
    if not points:
        raise UnknownFormatError(
            f"{name!r} is an engine format that no installed package reads (there are {', '.join(format_names())}): "
            "install its package with `pip install`; `mnv2-edge plugins` lists what is registered"
        )
    if len({point.value for point in points}) > 1:
        claims = ", ".join(f"{point.value} ({point.dist.name if point.dist else '?'})" for point in points)
        raise UnknownFormatError(f"the engine format {name!r} is claimed by several packages: {claims}; keep one")
    try:
        found = points[0].load()
    except (ImportError, AttributeError) as exc:
        raise UnknownFormatError(f"the engine format {name!r} ({points[0].value}) cannot be imported: {exc}") from exc
    if not isinstance(found, EngineFormat) or found.name != name:
        raise UnknownFormatError(
            f"{points[0].value} is not the engine format {name!r}: expected an EngineFormat of that name "
            "(mnv2_engines.backends.format)"
        )
    return found


def _entry_points() -> metadata.EntryPoints:
    return _entry_points_on(tuple(sys.path))


@functools.lru_cache(maxsize=1)
def _entry_points_on(_path: tuple[str, ...]) -> metadata.EntryPoints:
    """Read what every installed package registers, once."""
    return metadata.entry_points(group=GROUP)
