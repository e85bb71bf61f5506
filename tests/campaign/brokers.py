"""Kill, restart and freeze a real broker under a run: what is not delivered is counted, none of it silently lost."""

import itertools
import json
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from campaign.ledger import Failure, Ledger
from campaign.mutators import mutate
from campaign.soak import measure
from support.command import COMMAND, environment
from support.mosquitto import Mosquitto, Subscriber
from support.raw_server import RawServer

KINDS = ("killed", "restarted", "frozen")
PROMISE = "delivered + counted as lost is no less than published"
BACK_PROMISE = "connected within 3 s after the broker is back"
LIAR_PROMISE = "the run goes on within 400 MiB and ends by itself when asked to"
BACK_S = 3.0
LIMIT_MIB = 400
_CYCLES = 5
"""Of one run."""

_CONNECTED = "connected to mqtt://"
_LISTENER = "campaign-listener"
_DURABLE = """\
persistence true
persistence_location {folder}/
autosave_interval 1
autosave_on_changes true
queue_qos0_messages true
max_queued_messages 0
"""
"""Keeps the listener's session over a SIGKILL: what is published before the listener is back waits for it."""

_CONFIG = """\
version: 1
device: {{name: campaign}}
cameras: [{{uri: demo, id: door, pace: realtime, max_rate: 20}}]
engine: {{threads: 1}}
sinks:
  - stdout: {{format: jsonl}}
  - mqtt: {{uri: '{uri}', every: frame}}
"""


def count_lost(said: str) -> int | None:
    """Return how many records the last line of a run's log says were lost; None when it does not say."""
    found = re.findall(r"; (\d+) records? lost", said)
    return int(found[-1]) if found else None


def silent_loss(published: set[int], delivered: set[int], said: str) -> str:
    """Say how many frames did not come in without being counted; nothing when every one is accounted for."""
    missing, counted = len(published - delivered), count_lost(said)
    if not published:
        return f"nothing was published: {said[-300:]}"
    if counted is not None and missing <= counted:
        return ""
    return f"{missing} of {len(published)} did not come in, {counted} are counted: {said[-300:]}"


def disturb(
    ledger: Ledger, folder: Path, wanted: int, seed: int, until: Callable[[], bool], told: Callable[[str], None]
) -> None:
    """Disturb the broker so many times in each way."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        lost = ledger.row(f"broker {kind}", PROMISE, wanted)
        back = ledger.row(f"broker {kind}: time", BACK_PROMISE, wanted)
        while lost.tried < wanted and not until():
            cycles = min(_CYCLES, wanted - lost.tried)
            _run_once(kind, cycles, random.Random(f"{seed}/{kind}/{lost.tried}"), ledger, folder)
            told(f"broker {kind}: {lost.tried} of {wanted}, {lost.failed + back.failed} failures")


def _run_once(kind: str, cycles: int, draw: random.Random, ledger: Ledger, folder: Path) -> None:
    lost, back = ledger.rows[f"broker {kind}"], ledger.rows[f"broker {kind}: time"]
    kept = folder / "mosquitto.db"
    kept.unlink(missing_ok=True)
    broker = Mosquitto(folder, settings=_DURABLE.format(folder=folder))
    broker.start()
    config = folder / "config.yaml"
    config.write_text(_CONFIG.format(uri=broker.uri))
    log, published = folder / "run.log", folder / "out.jsonl"
    late: list[float] = []
    listener = broker.subscribe("mnv2-edge/+/+/result", options=("-c", "-i", _LISTENER))
    with log.open("w") as err, published.open("w") as out:
        command = [*COMMAND, "run", "--config", str(config)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment(folder))
        try:
            if not _until(lambda: listener.messages and kept.exists() and _LISTENER.encode() in kept.read_bytes(), 60):
                raise RuntimeError(f"the run never published, or the broker never kept its session: {log.read_text()}")
            for _ in range(cycles):
                time.sleep(draw.uniform(0.05, 1.0))
                late.append(_disturb(kind, broker, log, len(listener.messages), listener, draw))
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            status = process.wait(20)
            wanted = {json.loads(line)["frame"] for line in published.read_text().splitlines() if line.endswith("}")}
            _until(lambda: wanted <= _indices(listener), 3)
        finally:
            process.kill()
            process.wait()
            listener.close()
            broker.thaw()
            broker.kill()
    said = log.read_text()
    delivered = _indices(listener)
    silent = silent_loss(wanted, delivered, said)
    failures = [Failure(f"broker {kind}", silent)] if silent else []
    if status not in {0, 75} or "Traceback" in said:
        failures.append(Failure(f"broker {kind}", f"the run ended with {status}: {said[-300:]}"))
    ledger.count(lost, failures, cycles, missing=len(wanted - delivered))
    slow = [Failure(f"broker {kind}", f"connected again after {seconds:.1f} s") for seconds in late if seconds > BACK_S]
    ledger.count(back, slow, cycles, seconds=max(late, default=0.0))


def _disturb(kind: str, broker: Mosquitto, log: Path, seen: int, listener: Subscriber, draw: random.Random) -> float:
    """Disturb the broker once; return the seconds after its return in which the run was connected again."""
    if kind == "frozen":
        broker.freeze()
        time.sleep(draw.uniform(0.2, 3.0))
        broker.thaw()
        began = time.monotonic()
        _until(lambda: len(listener.messages) > seen, 60)
        return time.monotonic() - began
    connected = log.read_text().count(_CONNECTED)
    broker.kill()
    time.sleep(draw.uniform(0.5, 2.0) if kind == "killed" else draw.uniform(0.0, 0.2))
    broker.start()
    began = time.monotonic()
    _until(lambda: log.read_text().count(_CONNECTED) > connected, 60)
    return time.monotonic() - began


def _indices(listener: Subscriber) -> set[int]:
    return {json.loads(message.payload)["frame"] for message in tuple(listener.messages)}


def _until(condition: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


_CONNACK = b"\x20\x03\x00\x00\x00"
_LIES: tuple[Callable[[random.Random], bytes], ...] = (
    lambda draw: draw.randbytes(draw.choice((1, 2, 50, 5000))),
    lambda draw: mutate(draw, _CONNACK),
    lambda _draw: b"\x20\x03\x00\x00\x00\x30\xff\xff\xff\x7f" + b"x" * 4_000_000,  # a packet of 256 MiB is announced
    lambda draw: (
        _CONNACK
        + b"".join(
            bytes([draw.choice((0x40, 0x50, 0x62, 0x70, 0x90))]) + b"\x02" + draw.randbytes(2) for _ in range(200)
        )
    ),
    lambda draw: _CONNACK + mutate(draw, b"\x30\x0a\x00\x04test\x00abc"),
    lambda _draw: b"\x20\x08\x00\x00\x05\x27\x00\x00\x00\x01",  # takes packets of one byte at most
    lambda draw: b"\x20\x06\x00" + bytes([draw.randrange(256)]) + b"\x03\x21\x00\x00",  # any reason; receives nothing
    lambda _draw: _CONNACK + b"\xe0\x02\x8e\x00",
    lambda _draw: _CONNACK + b"\xd0\x00" * 100_000,
    lambda draw: _CONNACK + bytes([draw.randrange(256)]) + b"\xff\xff\xff\xff\xff",
)


def lie(
    ledger: Ledger, folder: Path, wanted: int, seed: int, until: Callable[[], bool], told: Callable[[str], None]
) -> None:
    """Have a run meet brokers that are none, so many times."""
    folder.mkdir(parents=True, exist_ok=True)
    row = ledger.row("broker lies", LIAR_PROMISE, wanted)
    while row.tried < wanted and not until():
        ledger.count(row, *_lied(row.tried, seed, folder))
        if row.tried % 10 == 0:
            told(f"broker lies: {row.tried} of {wanted}, {row.failed} failures")


def _lied(number: int, seed: int, folder: Path) -> tuple[list[Failure]]:
    draw = random.Random(f"{seed}/lie/{number}")
    connections = itertools.count()

    def answer() -> list[bytes]:
        return [_LIES[(number + next(connections)) % len(_LIES)](draw)]

    server = RawServer(answer)
    port = server.url.rsplit(":", 1)[1].split("/")[0]
    config, log = folder / "config.yaml", folder / "run.log"
    config.write_text(_CONFIG.format(uri=f"mqtt://127.0.0.1:{port}"))
    wrong, peak = [], 0
    try:
        with log.open("w") as err, (folder / "out.jsonl").open("w") as out:
            process = subprocess.Popen(
                [*COMMAND, "run", "--config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment(folder),
            )
            try:
                _until(lambda: server.requests or process.poll() is not None, 10)
                ended = time.monotonic() + 2
                while time.monotonic() < ended and process.poll() is None:
                    peak = max(peak, measure(process.pid)[0])
                    time.sleep(0.05)
                if process.poll() is not None:
                    wrong.append(f"the run ended with {process.returncode}")
                else:
                    os.kill(process.pid, signal.SIGTERM)
                    if process.wait(10) not in {0, 75}:
                        wrong.append(f"asked to end, it ended with {process.returncode}")
            except subprocess.TimeoutExpired:
                wrong.append("asked to end, it went on for 10 s")
            finally:
                process.kill()
                process.wait()
    finally:
        server.close()
    said = log.read_text()
    if peak > LIMIT_MIB * 1024:
        wrong.append(f"took {peak // 1024} MiB")
    if "Traceback" in said:
        wrong.append("traceback")
    return ([Failure(f"lie:{number}", f"{'; '.join(wrong)}: {said[-300:]}")] if wrong else [],)
