"""Faults between this device and its broker, each reported once, and the wait before the next attempt."""

import logging
import random
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["ConnectionMonitor", "Delays"]

_log = logging.getLogger(__name__)

_NOT_AUTHORISED: Final = frozenset({134, 135, 138, 140})  # MQTT 5: bad user name or password, not authorised, banned
_BAD_CLIENT_ID: Final = 133
_KEEP_ALIVE_TIMEOUT: Final = 141
TAKEN_OVER: Final = 142
_NO_REASON: Final = 128  # what paho makes of a connection that simply ends
UNSUPPORTED_PROTOCOL: Final = 132
_SHORT_NS: Final = 60_000_000_000
_STABLE_NS: Final = 600_000_000_000
_WINDOW_NS: Final = 600_000_000_000
_MOST_TAKEN_OVER: Final = 2  # once may be a restart that overlaps with its predecessor
_MOST_THROWN_OFF: Final = 4
_SOON_NS: Final = 60_000_000_000
"""So long after a connection was lost its return is looked for every one or two seconds, so that a broker that is
restarted has this client back within three."""
_MOST_TOLD: Final = 8


@dataclass(frozen=True, slots=True)
class Delays:
    """Waits between attempts to connect, in seconds: from `shortest`, doubling, to `longest`."""

    shortest: float
    longest: float

    @classmethod
    def usual(cls) -> "Delays":
        """Choose by chance, so that many devices do not come back to a restarted broker at the same moment."""
        return cls(random.uniform(0.3, 2.2), random.uniform(45.0, 75.0))  # noqa: S311 - no secret

    @classmethod
    def refused(cls) -> "Delays":
        """Wait long: what a broker refuses it goes on refusing, and may lock the account."""
        return cls(random.uniform(45.0, 75.0), 600.0)  # noqa: S311 - no secret

    @classmethod
    def contested(cls) -> "Delays":
        """Wait so long that two clients with one id do not throw each other off all the time."""
        return cls(random.uniform(20.0, 40.0), 600.0)  # noqa: S311 - no secret


class ConnectionMonitor:
    """History of connection attempts, which logs what a person has to know and sets the next wait."""

    def __init__(self, broker: str, client_id: str, *, user: str, tls: bool, has_certificate: bool) -> None:
        self._broker = broker
        self._client_id = client_id
        self._user = user
        self._tls = tls
        self._has_certificate = has_certificate
        self._told: set[str] = set()
        self._connected_ns: int | None = None
        self._lost_ns: int | None = None
        self._patient = False
        self._taken_over: deque[int] = deque(maxlen=_MOST_TAKEN_OVER)
        self._thrown_off: deque[int] = deque(maxlen=_MOST_THROWN_OFF)
        self._contested = False

    def connected(self, now_ns: int) -> Delays:
        """Note that the broker let this client in."""
        self._connected_ns = now_ns
        self._lost_ns, self._patient = None, False
        self._told.clear()
        self._log_change("connected to %s as %s", self._broker, self._client_id)
        return Delays.contested() if self._contested else Delays.usual()

    def unreachable(self, error: BaseException | None, now_ns: int, dates: str = "") -> Delays | None:
        """Note that no connection could be opened; return other delays, if there are to be others from now on.

        `dates` says what is wrong with those of the broker's certificate.
        """
        self._thrown_off.clear()  # the broker or the network was away: nobody threw anybody off
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        hint = "trying again; nothing is published meanwhile"
        if dates:
            self._tell(f"broker {self._broker} is not trusted: {dates}; trying again")
            return self._soon(now_ns)
        if isinstance(error, ssl.SSLCertVerificationError):
            why = error.verify_message
            hint = "name the certificate of who signed it with `ca_file`, and its host in the URI"
        elif isinstance(error, ssl.SSLError):
            why, hint = str(getattr(error, "reason", None) or error), "does this port speak TLS? The usual one is 8883"
        self._tell(f"broker {self._broker} cannot be reached ({why}): {hint}")
        return self._soon(now_ns)

    def refused(self, code: int, reason: str) -> Delays:
        """Note that the broker said no."""
        if code in _NOT_AUTHORISED:
            who = f"user {self._user!r}" if self._user else "a client without user name"
            self._tell(
                f"broker {self._broker} refuses {who} ({reason}): set MNV2_EDGE_MQTT_PASSWORD or `password_file`, and "
                "the user in the URI; trying again in a minute"
            )
            return Delays.refused()
        if code == _BAD_CLIENT_ID:
            self._tell(f"broker {self._broker} refuses the client id {self._client_id} ({reason}): set `client_id`")
            return Delays.refused()
        self._tell(f"broker {self._broker} refuses the connection ({reason}): trying again")
        return Delays.usual()

    def unanswered(self, code: int, now_ns: int) -> Delays | None:
        """Note that the connection ended before the broker had answered; return delays as `unreachable` does."""
        if code == _KEEP_ALIVE_TIMEOUT:
            self._tell(f"broker {self._broker} takes connections and does not answer: it may hang; trying again")
            return self._soon(now_ns)
        if self._tls and not self._has_certificate:
            hint = "it may want a client certificate: set `cert_file` and `key_file`"
        elif self._tls:
            hint = "it may not accept this client certificate; its log says why"
        else:
            hint = "does this port speak MQTT, without TLS? For TLS write mqtts://"
        self._tell(f"broker {self._broker} ended the connection without an answer: {hint}")
        return self._soon(now_ns)

    def garbled(self) -> None:
        """Note that the broker answered what no MQTT broker does."""
        self._tell(f"broker {self._broker} gives answers that make no sense: is it a broker? Trying again")

    def lost(self, code: int, reason: str, now_ns: int, listens: Callable[[], bool]) -> Delays | None:
        """Note that an open connection ended; return other delays where the usual ones would not do.

        MQTT 5 has a code for "another client took your id", which mosquitto 2.0 for one does not send. A broker that
        lets this client in and soon ends the connection without a word, several times, is taken to mean it, but only
        where it was up each time: `listens` says at once whether its port takes connections. One that is restarted
        does not listen for a moment.
        """
        self._lost_ns = now_ns
        lasted_ns = now_ns - (self._connected_ns or now_ns)
        if lasted_ns > _STABLE_NS:
            self._contested = False
        self._log_change("lost %s (%s): trying again", self._broker, reason)
        if code == TAKEN_OVER:
            self._taken_over.append(now_ns)
        if code == _NO_REASON and lasted_ns < _SHORT_NS and listens():
            self._thrown_off.append(now_ns)
        elif code != TAKEN_OVER:
            self._thrown_off.clear()
        certain = _often(self._taken_over, _MOST_TAKEN_OVER, now_ns)
        if not certain and not _often(self._thrown_off, _MOST_THROWN_OFF, now_ns):
            return None if self._contested else self._soon(now_ns)
        if not self._contested:
            self._contested = True
            _log.error(
                "broker %s throws this client off again and again: %s uses id %s; give this device a name of its own "
                "(--device-name), or each runtime on it an instance (`device: {instance: ...}`)",
                self._broker,
                "another client" if certain else "most likely another client",
                self._client_id,
            )
        return Delays.contested()

    def _soon(self, now_ns: int) -> Delays | None:
        """Return short delays while the connection was lost lately, then longer ones, which double, once."""
        if self._contested or self._lost_ns is None or self._patient:
            return None
        usual = Delays.usual()
        if now_ns - self._lost_ns < _SOON_NS:
            return Delays(usual.shortest, usual.shortest)
        self._patient = True
        return usual

    def _tell(self, message: str) -> None:
        """Log a message once until the next connection."""
        if message not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(message)
            _log.warning("%s", message)

    def _log_change(self, message: str, *args: object) -> None:
        # Two clients with one id change all the time, and that was said.
        _log.log(logging.DEBUG if self._contested else logging.INFO, message, *args)


def _often(times_ns: deque[int], count: int, now_ns: int) -> bool:
    """Return True when the last `count` times were not long ago."""
    return len(times_ns) >= count and now_ns - times_ns[-count] < _WINDOW_NS
