"""A child process of this Python that imports nothing from the current folder.

`python -m` and `python -c` look there first: a `json.py` in somebody's folder would run, also as root. Python 3.10 does
not know `-P`, and `-I` hides what users have installed for themselves: a child is isolated where its parent is, as
every command of an installation is.
"""

import sys
from typing import Final

__all__ = ["code_command", "module_command"]

_NOT_HERE: Final = "import sys; sys.path[:1] == [''] and sys.path.pop(0)\n"
_RUN_MODULE: Final = "import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"


def code_command(code: str, *arguments: str) -> list[str]:
    """Return what runs Python code; `arguments` are its ``sys.argv[1:]``."""
    isolated = ("-I",) if sys.flags.isolated else ()
    return [sys.executable, *isolated, "-c", _NOT_HERE + code, *arguments]


def module_command(module: str, *arguments: str) -> list[str]:
    """Return what runs a module as a program, as ``python -m MODULE ARGUMENTS`` does."""
    return code_command(_RUN_MODULE, module, *arguments)
