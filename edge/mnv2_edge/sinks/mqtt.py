"""Records over MQTT: results when they change, states retained, a last will when the process is gone."""

import logging
import threading
import time
from collections import deque
from typing import Final

from mnv2_edge.errors import ConfigError
from mnv2_edge.host.identity import client_id_of
from mnv2_edge.records import CameraState, Event, Record, Result, encode
from mnv2_edge.sinks import Sink, SinkOptions
from mnv2_edge.sinks.broker import Broker, Topics, parse_broker
from mnv2_edge.sinks.home_assistant import discovery_document, discovery_topic, status_topic
from mnv2_edge.sinks.publish_filter import ChangeGate
from mnv2_edge.sinks.queue import RecordQueue
from mnv2_edge.sinks.session import OFFLINE, ONLINE, BrokerAccount, BrokerSession
from mnv2_edge.sinks.settings import MqttSettings, read_settings
from mnv2_edge.sinks.tls import tls_context

__all__ = ["MqttSink", "open_mqtt"]

_log = logging.getLogger(__name__)

_QUEUE_LIMIT: Final = 1024
_OUTBOX_LIMIT: Final = 256
_ATTEND_S: Final = 2.0
_CLOSE_S: Final = 0.5
_LONGEST_PASSWORD: Final = 65_535
_GOODBYE_NS: Final = 150_000_000  # of that, for writing out what was handed over


def open_mqtt(options: SinkOptions) -> Sink:
    """Open the sink `mqtt`: it connects in the background, now or whenever the broker is there.

    Raises ConfigError for options that make no sense, and for certificate files that cannot be read.
    """
    settings = read_settings(options, MqttSettings)
    broker = parse_broker(settings.uri)
    if len(options.secret.encode(errors="surrogateescape")) > _LONGEST_PASSWORD:
        raise ConfigError(f"the broker's password is longer than MQTT allows: {_LONGEST_PASSWORD} bytes at most")
    return MqttSink(broker, settings, options)


class MqttSink:
    """Owner of the thread that decides what is published, and of the session with the broker.

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
        self._told_too_large = False
        self._broken = ""
        self._gates: dict[str, ChangeGate] = {}
        self._states: dict[str, CameraState] = {}
        self._greeted = 0
        self._announced = 0
        self._deadline_ns: int | None = None
        tls = tls_context(settings.ca_file, settings.cert_file, settings.key_file) if broker.tls else None
        account = BrokerAccount(
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
        """Return why this sink has given up; a broker that is down is not a reason."""
        return self._broken

    @property
    def failed(self) -> bool:
        """Return True when it has given up: nothing but a fault of its own makes it."""
        return bool(self._broken)

    @property
    def dropped(self) -> int:
        """Count the results and events that no broker has shown to have read; what the gate held back is none of them.

        What was on its way when a connection ended counts, although the broker may have read the first of it.
        """
        return self._queue.dropped + self._outbox_dropped + self._session.lost

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
        """Count what is due and what the broker has not shown to have read; called from any thread."""
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
                self._announce(self._topics.state(record.camera), encode(record))
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
        """Send states and discovery to a broker or a Home Assistant that has just come up."""
        self._announced = self._session.heard
        self._announce(self._topics.status, ONLINE)
        if self._settings.homeassistant:
            self._announce(
                discovery_topic(self._settings.homeassistant_prefix, self._options.device),
                discovery_document(self._topics, self._options.device_name, self._options.cameras),
            )
        for camera, state in self._states.items():
            self._announce(self._topics.state(camera), encode(state))
        for gate in self._gates.values():
            gate.repeat()

    def _send(self, *, last: bool = False) -> None:
        """Hand over the outbox, then what the gates let pass, as long as the client takes it."""
        self._empty_outbox()
        if self._outbox:
            return
        now_ns = time.monotonic_ns()
        for gate in self._gates.values():
            result = gate.take_last(now_ns) if last else gate.take(now_ns)
            if result is not None:
                self._put_out(self._topics.result(result.camera), encode(result))
        self._empty_outbox()

    def _empty_outbox(self) -> None:
        """Hand over the oldest messages for as long as the client takes them; those that do not fit are dropped."""
        while self._outbox:
            message = self._outbox[0]
            if self._session.connected and not self._fits(*message):
                self._outbox_dropped += 1
            elif not self._session.publish(*message):
                return
            self._outbox.popleft()

    def _announce(self, topic: str, payload: bytes) -> None:
        """Hand over a retained message, which is repeated after every reconnect."""
        if self._fits(topic, payload):
            self._session.announce(topic, payload)
        else:
            self._outbox_dropped += 1

    def _fits(self, topic: str, payload: bytes) -> bool:
        """Return False for a message above the broker's limit, and say so once."""
        fits = self._session.fits(topic, payload)
        if not fits and not self._told_too_large:
            self._told_too_large = True
            _log.warning(
                "mqtt: a message of %d bytes on %s is larger than this broker takes: such messages are dropped and "
                "counted; raise its maximum packet size, or publish less (`mask: none`, `top_k`)",
                len(payload),
                topic,
            )
        return fits

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
        now_ns = time.monotonic_ns()
        held = sum(gate.take_last(now_ns) is not None for gate in self._gates.values())
        untold = len(self._states) if self._session.connections == 0 else 0
        self._outbox_dropped += len(self._outbox) + held + untold
        self._session.close(deadline_ns)

    def _say_goodbye(self, deadline_ns: int) -> None:
        self._send(last=True)
        while self._session.connected and (self._outbox or self._session.waiting):
            left_ns = deadline_ns - time.monotonic_ns()
            if left_ns <= 0:
                break
            waiting = self._session.waiting
            self._queue.wait_until(lambda: self._session.waiting < waiting, min(0.05, left_ns / 1e9))  # noqa: B023 - at once
            self._work()
        self._announce(self._topics.status, OFFLINE)

    def _connected_or_settled(self) -> bool:
        return self._session.connected or self._session.settled

    def _gate(self, result: Result) -> ChangeGate:
        gate = self._gates.get(result.camera)
        if gate is None:
            settings = self._settings
            gate = ChangeGate(int(settings.min_interval_s * 1e9), int(settings.heartbeat_s * 1e9))
            self._gates[result.camera] = gate
        return gate
