"""Read what the kernel says of this machine's memory."""

from pathlib import Path

from mnv2_engines.regular_file import SETTINGS_LIMIT, decode_regular

__all__ = ["read_meminfo"]


def read_meminfo(root: Path = Path("/")) -> dict[str, int]:
    """Read `/proc/meminfo` under `root`, in KiB by name (`MemTotal`, `MemAvailable`); empty where there is none.

    A line that says nothing is left out (proc_meminfo(5): they differ by kernel; `MemAvailable` is there since 3.14).
    """
    try:
        lines = decode_regular(root / "proc/meminfo", SETTINGS_LIMIT, encoding="ascii").splitlines()
    except (OSError, ValueError):
        return {}
    found = {}
    for name, _, rest in (line.partition(":") for line in lines):
        value = rest.split()[:1]
        if value and value[0].isdigit():
            found[name] = int(value[0])
    return found
