"""Read what a running command prints, while it prints it."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterable


class Running:
    """Own a process with pipes: its lines on stdout so far, and its text on stderr so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.out: list[str] = []
        self._err: list[str] = []
        self._threads = [
            threading.Thread(target=self._read, args=(process.stdout, self.out), daemon=True),
            threading.Thread(target=self._read, args=(process.stderr, self._err), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def err(self) -> str:
        return "".join(self._err)

    def wait(self, condition: Callable[[], object], seconds: float = 30) -> None:
        """Wait until the condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited {seconds:g} s\n{self.err}"
            assert self.process.poll() is None, f"it ended with {self.process.returncode}\n{self.err}"
            time.sleep(0.02)

    def end(self) -> int:
        """Stop it as a service manager does; return its exit status when all was read."""
        self.process.terminate()
        status = self.process.wait(30)
        for thread in self._threads:
            thread.join(10)
        return status

    def close(self) -> None:
        """Kill what still runs."""
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    @staticmethod
    def _read(stream: Iterable[str], into: list[str]) -> None:
        for line in stream:
            into.append(line)  # one by one, for whoever looks meanwhile
