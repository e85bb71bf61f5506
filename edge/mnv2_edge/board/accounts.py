"""Read who has an account on this device."""

import re
from pathlib import Path
from typing import Final

from mnv2_edge.board.files import read_text

__all__ = ["read_accounts"]

_ENTRY: Final = re.compile(r"^(?P<name>[^:\n]+):[^:\n]*:(?P<user>[0-9]{1,10}):(?P<group>[0-9]{1,10}):", re.MULTILINE)


def read_accounts(root: Path = Path("/")) -> dict[str, tuple[int, int]]:
    """Return the number and the group of every local user by name, of passwd(5); what it does not say is left out."""
    entries = _ENTRY.finditer(read_text(root / "etc/passwd"))
    return {entry["name"]: (int(entry["user"]), int(entry["group"])) for entry in entries}
