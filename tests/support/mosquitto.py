"""A real mosquitto on a free loopback port, to be killed, frozen and started again; and its real clients."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support.system import need_command


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Message:
    topic: str
    payload: str
    retained: bool


class Mosquitto:
    """Own a broker process. It keeps its port when it is started again, and nothing else."""

    def __init__(self, folder: Path, *, settings: str = "", port: int | None = None) -> None:
        self._program = need_command("mosquitto", "mosquitto")
        self._folder = folder
        self.port = port or free_port()
        self.uri = f"mqtt://127.0.0.1:{self.port}"
        self._config = folder / "mosquitto.conf"
        anonymous = "" if "allow_anonymous" in settings else "allow_anonymous true\n"
        self._config.write_text(f"user root\nlistener {self.port} 127.0.0.1\n{anonymous}{settings}\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([self._program, "-c", str(self._config)], stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError((self._folder / "mosquitto.log").read_text()) from None
                time.sleep(0.01)

    def kill(self) -> None:
        """Kill -9, as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def publish(self, topic: str, payload: str, *options: str) -> None:
        program = need_command("mosquitto_pub", "mosquitto-clients")
        command = [program, "-h", "127.0.0.1", "-p", str(self.port), "-t", topic, "-m", payload, *options]
        subprocess.run(command, check=True, timeout=10)

    def subscribe(self, *topics: str, options: tuple[str, ...] = ()) -> "Subscriber":
        return Subscriber(self, topics, options)


class Subscriber:
    """A real mosquitto_sub, subscribed once constructed, whose messages are collected."""

    def __init__(self, broker: Mosquitto, topics: tuple[str, ...], options: tuple[str, ...]) -> None:
        self.messages: list[Message] = []
        self._arrived = threading.Condition()
        ready = "test/ready"
        broker.publish(ready, "yes", "-r", *options)
        command = [
            need_command("mosquitto_sub", "mosquitto-clients"),
            "-h",
            "127.0.0.1",
            "-p",
            str(broker.port),
            "-F",
            "%r %t %p",
            *options,
        ]
        for topic in (*topics, ready):
            command += ["-t", topic]
        self._ready = ready
        self._subscribed = threading.Event()
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self._subscribed.wait(10), "mosquitto_sub never subscribed"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            retained, topic, payload = line.rstrip("\n").split(" ", 2)
            if topic == self._ready:
                self._subscribed.set()
                continue
            with self._arrived:
                self.messages.append(Message(topic, payload, retained == "1"))
                self._arrived.notify_all()

    def on(self, topic: str) -> list[str]:
        """Return the payloads that came in on a topic so far."""
        with self._arrived:
            return [message.payload for message in self.messages if message.topic == topic]

    def wait(self, condition: Callable[[], bool], timeout_s: float = 10) -> None:
        """Wait until `condition`, which is asked whenever a message comes in."""
        with self._arrived:
            if not self._arrived.wait_for(condition, timeout_s):
                raise AssertionError(f"never came; there were {self.messages}")

    def wait_for(self, topic: str, *payloads: str, timeout_s: float = 10) -> None:
        """Wait until the payloads on a topic end with these."""
        count = len(payloads)
        self.wait(lambda: tuple(self._payloads(topic)[-count:]) == payloads, timeout_s)

    def _payloads(self, topic: str) -> list[str]:
        return [message.payload for message in self.messages if message.topic == topic]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
