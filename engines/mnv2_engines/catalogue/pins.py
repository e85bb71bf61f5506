"""Hashes of files whose publisher states none: the first one seen is trusted, another is refused."""

from pathlib import Path

import msgspec

from mnv2_engines.catalogue.home import rewrite_file
from mnv2_engines.errors import CatalogueError
from mnv2_engines.files.checked_json import UNREADABLE
from mnv2_engines.files.durable import locked_folder
from mnv2_engines.files.regular_file import SETTINGS_LIMIT, read_regular

__all__ = ["Pin", "forget_pins", "pin_file", "read_pins"]


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen, where and when."""

    sha256: str
    size: int
    source: str
    """The address, or the path in a mirror."""
    seen: str
    """Date and time by this machine's clock, ISO 8601."""


class _Pins(msgspec.Struct):
    files: dict[str, Pin] = msgspec.field(default_factory=dict)
    """By MODEL/FILE."""


def read_pins(path: Path) -> dict[str, Pin]:
    """Return the pins by MODEL/FILE. Raises CatalogueError for a damaged file: an empty one would trust anything."""
    try:
        return msgspec.json.decode(read_regular(path, SETTINGS_LIMIT), type=_Pins).files
    except FileNotFoundError:
        return {}
    except (OSError, *UNREADABLE) as exc:
        raise CatalogueError(
            f"{path}, which holds the hashes of files seen before, cannot be read ({exc}): restore it, or remove it to "
            "trust whatever is fetched next"
        ) from exc


def pin_file(path: Path, key: str, pin: Pin) -> None:
    """Add a pin or replace the one there is; of two processes at once one comes after the other."""
    with locked_folder(path.parent):
        _write(path, {**read_pins(path), key: pin})


def forget_pins(path: Path, start: str) -> None:
    """Remove the pins whose keys begin with `start`: what is fetched next is trusted again when it is first seen."""
    with locked_folder(path.parent):
        pins = read_pins(path)
        kept = {key: pin for key, pin in pins.items() if not key.startswith(start)}
        if kept != pins:
            _write(path, kept)


def _write(path: Path, pins: dict[str, Pin]) -> None:
    rewrite_file(path, msgspec.json.format(msgspec.json.encode(_Pins(pins)), indent=1) + b"\n")
