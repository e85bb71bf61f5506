"""Tables are for people on a terminal, and for grep everywhere else."""

import contextlib
import os
import re
import subprocess
import sys

from mnv2_edge.cli.ui.tables import print_table

ROWS = [("opencv", "fail", "pip install opencv-python-headless " * 6), ("[b]", "ok", "")]


def test_plain_text_is_aligned_and_never_cut(capsys):
    print_table(("check", "verdict", "why"), ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "CHECK   VERDICT  WHY"
    assert lines[1] == f"opencv  fail     {ROWS[0][2].rstrip()}"
    assert lines[2] == "[b]     ok"


def test_no_rows_are_a_heading(capsys):
    print_table(("a", "b"), [])
    assert capsys.readouterr().out == "A  B\n"


def on_a_terminal(code: str) -> str:
    """Run code with stdout on a pseudo terminal of 60 columns, and return what it shows."""
    ours, theirs = os.openpty()
    wanted = {"TERM": "xterm-256color", "COLUMNS": "60"}
    clean = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=theirs, env=clean | wanted)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # EIO is a terminal's end of file
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    assert process.wait() == 0
    return shown.decode()


def test_a_terminal_gets_colours_and_folded_cells_without_losing_any():
    shown = on_a_terminal(
        "from mnv2_edge.cli.ui.tables import print_table\n"
        f"print_table(('check', 'verdict', 'why'), {ROWS!r}, colors={{'fail': 'bold red'}})"
    )
    assert "\x1b[1;31mfail" in shown
    assert shown.count("headless") == 6
    assert "[b]" in shown  # cells are text, not markup
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert max(len(line) for line in plain.splitlines()) <= 60
