"""A terminal with somebody at it: a pseudo-terminal, what was written to it, and what is typed."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Sequence
from pathlib import Path

from support.command import COMMAND, environment

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_AS_LEADER = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


class Terminal:
    """Run `mnv2-edge ARGS` on a terminal of its own, so that Ctrl-C reaches it as it does from a keyboard."""

    def __init__(self, *args: str, home: Path, columns: int = 80, rows: int = 24, cwd: Path, **more: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._written = b""
        self._seen = 0
        self._arrived = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _AS_LEADER, *COMMAND[1:], *args],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            cwd=cwd,
            env=environment(home, **{"TERM": "xterm-256color", **more}),
        )
        os.close(theirs)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    @property
    def raw(self) -> str:
        """Return all that was written, with what steers the terminal."""
        return self._written.decode(errors="replace")

    @property
    def text(self) -> str:
        """Return all that was written, as lines."""
        return _ESCAPE.sub("", self.raw).replace("\r\n", "\n")

    def answer(self, question: str, keys: str = "\r") -> None:
        """Wait until a question is there that was not before, then type."""
        with self._arrived:
            found = self._arrived.wait_for(lambda: question in self.text[self._seen :] or self._ended(), 60)
            text = self.text[self._seen :]
            assert found, f"{question!r} never came: {text}"
            assert question in text, f"it ended before {question!r}: {text}"
            self._seen += text.index(question) + len(question)
        self.type(keys)

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def leave(self, question: str, keys: str = "\x04") -> int:
        """Wait for a question, type Ctrl-D or Ctrl-C, and return the exit status.

        A Ctrl-C just before Python blocks in read(2) is noticed with the next key only, so it is typed again.
        """
        self.answer(question, keys)
        for _ in range(12):
            try:
                return self.wait(2)
            except subprocess.TimeoutExpired:
                self.type(keys)
        return self.wait()

    def hang_up(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, timeout_s: float = 60) -> int:
        """Return the exit status."""
        status = self._process.wait(timeout_s)
        self._thread.join(10)
        return status

    @property
    def echoes(self) -> bool:
        """Return whether what is typed is shown."""
        return bool(termios.tcgetattr(self._ours)[3] & termios.ECHO)

    def ignores(self, number: signal.Signals) -> bool:
        """Return whether the program takes no notice of a signal."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:"))
        return bool(int(mask, 16) >> (number - 1) & 1)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._thread.join(10)
        os.close(self._ours)

    def _ended(self) -> bool:
        return self._process.poll() is not None

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._ours, 65536)
            except OSError:  # EIO: nobody has the other end open any more
                piece = b""
            with self._arrived:
                self._written += piece
                self._arrived.notify_all()
            if not piece:
                return


def lines_wider_than(columns: int, text: str) -> Sequence[str]:
    return [line for line in text.splitlines() if len(line) > columns]
