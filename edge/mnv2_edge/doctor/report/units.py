"""The secrets that systemd gives to the service: in its drop-ins, its store, and its running instances."""

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from mnv2_edge.host.files import list_files, read_text
from mnv2_engines.errors import DiskError
from mnv2_engines.files.regular_file import read_start

__all__ = ["SECRET_VARIABLE", "lines_of", "unit_secrets"]

SECRET_VARIABLE: Final = re.compile(r"PASS|TOKEN|SECRET|KEY|CREDENTIAL", re.IGNORECASE)
"""Names of variables whose values are private."""
_LONGEST_BYTES: Final = 64 * 1024


def unit_secrets(root: Path) -> Iterator[str]:
    """Return what is in credentials and in the settings of systemd.exec(5) that name or hold some."""
    for folder, pattern in (("etc/credstore", "mnv2-edge.*"), ("run/credentials", "mnv2-edge*/*")):
        for file in list_files(root / folder, pattern):
            yield from lines_of(file)
    for place in ("etc", "run"):
        for file in list_files(root / place / "systemd/system", "mnv2-edge*.service.d/*.conf"):
            for line in read_text(file).splitlines():
                yield from _secrets_of_setting(*line.partition("=")[::2])


def lines_of(file: Path) -> Iterator[str]:
    """Return what a file with a secret holds: all of it, and each line, as a private key has many."""
    with suppress(OSError, DiskError):
        text = read_start(file, _LONGEST_BYTES).decode("utf-8", "replace")
        yield text.strip("\r\n")
        yield from (line for line in text.splitlines() if not line.startswith("-----"))


def _secrets_of_setting(name: str, value: str) -> Iterator[str]:
    if name.strip() == "Environment":
        with suppress(ValueError):  # of a quote that is not closed
            pairs = (word.partition("=") for word in shlex.split(value))
            yield from (secret for variable, _, secret in pairs if SECRET_VARIABLE.search(variable))
    elif name.strip() == "SetCredential":
        yield value.partition(":")[2]
    elif name.strip() == "LoadCredential" and value.partition(":")[2].startswith("/"):
        yield from lines_of(Path(value.partition(":")[2]))
