"""Publish records over MQTT: results when they change, states retained, a last will when the process is gone."""

import logging
import threading
import time
from collections import deque
from typing import Final

from mnv2_edge.identity import client_id_of
from mnv2_edge.records import CameraState, Event, Record, Result, encode
from mnv2_edge.sinks import Sink, SinkOptions
from mnv2_edge.sinks.broker import Broker, Topics, parse_broker
from mnv2_edge.sinks.gate import ChangeGate
from mnv2_edge.sinks.homeassistant import discovery_document, discovery_topic, status_topic
from mnv2_edge.sinks.queue import RecordQueue
from mnv2_edge.sinks.session import OFFLINE, ONLINE, Account, BrokerSession
from mnv2_edge.sinks.settings import MqttSettings, read_settings
from mnv2_edge.sinks.tls import tls_context

__all__ = ["MqttSink", "open_mqtt"]

_log = logging.getLogger(__name__)

_QUEUE_LIMIT: Final = 1024
_OUTBOX_LIMIT: Final = 256
_ATTEND_S: Final = 2.0
_CLOSE_S: Final = 0.5
_GOODBYE_NS: Final = 150_000_000  # of that, for writing out what was handed over


def open_mqtt(options: SinkOptions) -> Sink:
    """Open the sink `mqtt`: it connects in the background, now or whenever the broker is there.

    Raises ConfigError for options that make no sense, and for certificate files that cannot be read.
    """
    settings = read_settings(options, MqttSettings)
    broker = parse_broker(settings.uri)
    return MqttSink(broker, settings, options)


class MqttSink:
    """Own the thread that decides what is published, and the session with the broker.

    Publishing only appends to a bounded queue. Results of `every: change` pass a gate per camera; those of
    `every: frame` and events wait in an outbox of which, when the broker does not take them, the oldest are dropped
    and counted. States are kept per camera and published again after every reconnect.
    """

    def __init__(self, broker: Broker, settings: MqttSettings, options: SinkOptions) -> None:
        self._settings = settings
        self._options = options
        self._topics = Topics(broker.prefix, options.device)
        self._queue = RecordQueue(f"mqtt to {broker}", _QUEUE_LIMIT)
        self._outbox: deque[tuple[str, bytes]] = deque()
        self._outbox_dropped = 0
        self._told = False
        self._broken = ""
        self._gates: dict[str, ChangeGate] = {}
        self._states: dict[str, CameraState] = {}
        self._greeted = 0
        self._announced = 0
        self._deadline_ns: int | None = None
        tls = tls_context(settings.ca_file, settings.cert_file, settings.key_file) if broker.tls else None
        account = Account(
            client_id=settings.client_id or client_id_of(options.device),
            password=options.secret,
            tls=tls,
            has_certificate=settings.cert_file is not None,
        )
        self._session = BrokerSession(
            broker,
            account,
            keepalive_s=settings.keepalive_s,
            status_topic=self._topics.status,
            listen_to=status_topic(settings.homeassistant_prefix) if settings.homeassistant else None,
            on_change=self._queue.wake,
        )
        self._thread = threading.Thread(target=self._main, name="mqtt", daemon=True)
        self._thread.start()

    @property
    def broken(self) -> str:
        """Return why this sink has given up; a broker that is down is no reason."""
        return self._broken

    @property
    def failed(self) -> bool:
        """Return True when it has given up: nothing but a fault of its own makes it."""
        return bool(self._broken)

    @property
    def dropped(self) -> int:
        """Count the results and events that no broker took; what the gate held back is not among them."""
        return self._queue.dropped + self._outbox_dropped

    def publish(self, record: Record) -> None:
        """Queue a record for the deciding thread."""
        self._queue.put(record)

    def wait_backlog(self, at_most: int, timeout_s: float) -> bool:
        """Wait until the broker has taken most of it, as `Sink.wait_backlog`; at once while there is no broker."""
        return self._queue.wait_until(
            lambda: bool(self._broken) or not self._hopeful() or self._backlog() <= at_most, timeout_s
        )

    def close(self) -> None:
        """Publish what is due and `offline`, within half a second, also when the broker is down or frozen."""
        if self._deadline_ns is None:
            self._deadline_ns = time.monotonic_ns() + int(_CLOSE_S * 1e9)
        self._queue.close()
        self._thread.join(_CLOSE_S + 0.1)

    def _hopeful(self) -> bool:
        """Return True while a broker takes messages or the first attempt to reach it is under way."""
        # In this order: the client's thread sets `connected` first, and nothing in between looks like an outage.
        return not self._session.settled or self._session.connected

    def _backlog(self) -> int:
        """Count what is due and not written to the network yet; called from any thread."""
        now_ns = time.monotonic_ns()
        dues = [gate.due_ns() for gate in tuple(self._gates.values())]
        gated = sum(due is not None and due <= now_ns for due in dues)
        to_greet = self._greeted != max(1, self._session.connections)
        return self._queue.backlog + gated + to_greet + len(self._outbox) + self._session.waiting

    def _main(self) -> None:
        try:
            while not (self._queue.closed and self._queue.backlog == 0):
                record = self._queue.get(self._idle_s())
                if record is not None:
                    self._sort(record)
                self._work()
                if record is not None:
                    self._queue.done()
            self._finish()
        except Exception as exc:  # noqa: BLE001 - the top of a thread: handed on as `broken`
            _log.exception("mqtt: publishing ended")
            self._broken = f"publishing over MQTT failed: {type(exc).__name__}: {exc}"
            self._queue.close()
            self._queue.discard()

    def _sort(self, record: Record) -> None:
        """Put a record where it waits until it is sent."""
        if isinstance(record, CameraState):
            self._states[record.camera] = record
            if self._session.connected and self._greeted == self._session.connections:
                self._session.publish(self._topics.state(record.camera), encode(record), retain=True, urgent=True)
        elif isinstance(record, Event):
            self._put_out(self._topics.event(record.camera), encode(record))
        elif self._settings.every == "frame":
            self._put_out(self._topics.result(record.camera), encode(record))
        else:
            self._gate(record).offer(record)

    def _work(self) -> None:
        """Send all that may be sent now."""
        self._session.attend()
        if not self._session.connected:
            return
        if self._greeted != self._session.connections:
            self._greeted = self._session.connections
            self._greet()
        elif self._announced != self._session.heard:
            self._greet()
        self._send()

    def _greet(self) -> None:
        """Tell a broker, or a Home Assistant, that has just come everything that it should know."""
        self._announced = self._session.heard
        self._session.publish(self._topics.status, ONLINE, retain=True, urgent=True)
        if self._settings.homeassistant:
            self._session.publish(
                discovery_topic(self._settings.homeassistant_prefix, self._options.device),
                discovery_document(self._topics, self._options.device_name, self._options.cameras),
                retain=True,
                urgent=True,
            )
        for camera, state in self._states.items():
            self._session.publish(self._topics.state(camera), encode(state), retain=True, urgent=True)
        for gate in self._gates.values():
            gate.repeat()

    def _send(self, *, last: bool = False) -> None:
        """Hand over the outbox, then what the gates let pass, as long as the client takes it."""
        while self._outbox:
            if not self._session.publish(*self._outbox[0]):
                return
            self._outbox.popleft()
        now_ns = time.monotonic_ns()
        for gate in self._gates.values():
            result = gate.take_last(now_ns) if last else gate.take(now_ns)
            if result is not None:
                self._put_out(self._topics.result(result.camera), encode(result))
        while self._outbox and self._session.publish(*self._outbox[0]):
            self._outbox.popleft()

    def _put_out(self, topic: str, payload: bytes) -> None:
        if len(self._outbox) >= _OUTBOX_LIMIT:
            self._outbox.popleft()
            self._outbox_dropped += 1
            if not self._told:
                self._told = True
                _log.warning(
                    "mqtt: the broker does not keep up or is away: the oldest messages are dropped and counted"
                )
        self._outbox.append((topic, payload))

    def _idle_s(self) -> float:
        """Return how long nothing has to be done unless something comes in."""
        dues = [due for gate in self._gates.values() if (due := gate.due_ns()) is not None]
        if not dues or not self._session.connected or self._outbox:
            return _ATTEND_S
        return min(_ATTEND_S, max(0.0, (min(dues) - time.monotonic_ns()) / 1e9))

    def _finish(self) -> None:
        """Send what is left and say goodbye, before the deadline of `close`."""
        deadline_ns = self._deadline_ns or time.monotonic_ns()
        while not self._session.connected and self._hopeful() and time.monotonic_ns() < deadline_ns - _GOODBYE_NS:
            self._queue.wait_until(self._connected_or_settled, 0.05)
        self._work()
        if self._session.connected:
            self._say_goodbye(deadline_ns - _GOODBYE_NS)
        self._outbox_dropped += len(self._outbox)
        self._session.close(deadline_ns)

    def _say_goodbye(self, deadline_ns: int) -> None:
        self._send(last=True)
        while self._outbox and self._session.connected and time.monotonic_ns() < deadline_ns:
            self._queue.wait_until(lambda: self._session.waiting == 0, 0.05)
            self._send()
        self._session.publish(self._topics.status, OFFLINE, retain=True, urgent=True)

    def _connected_or_settled(self) -> bool:
        return self._session.connected or self._session.settled

    def _gate(self, result: Result) -> ChangeGate:
        gate = self._gates.get(result.camera)
        if gate is None:
            settings = self._settings
            gate = ChangeGate(int(settings.min_interval_s * 1e9), int(settings.heartbeat_s * 1e9))
            self._gates[result.camera] = gate
        return gate
