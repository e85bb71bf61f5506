"""Put a new engine in the place of the one that serves, while it serves.

A thread of its own reads, verifies, tests, opens and rehearses the new engine. Whatever is wrong with it, the old one
goes on, and the new one is not looked at again before its file changes, or somebody asks.
"""

import dataclasses
import logging
import threading
from collections.abc import Callable

from mnv2_edge.network import Network
from mnv2_engines.engine import Engine
from mnv2_engines.engine_reference import EngineReference

__all__ = ["EngineUpdates"]

_log = logging.getLogger(__name__)
_POLL_S = 1.0
_JOIN_S = 0.3  # Ctrl-C has to end the process within a second


class EngineUpdates:
    """Own `reference`, the network that serves, and the thread that looks for another one and opens it.

    Opens the first network at once and raises as `load` does. `watch`: look every `poll_s` whether `reference` has
    changed; else only when asked.
    """

    def __init__(
        self,
        reference: EngineReference,
        load: Callable[[Engine], Network],
        *,
        watch: bool = False,
        poll_s: float = _POLL_S,
    ) -> None:
        self._reference = reference
        self._load = load
        self._asked = threading.Event()
        self._poll_s = poll_s if watch else None
        self._seen = reference.version()  # before reading: what changes in between is looked at once more
        try:
            self._engine = reference.read()
            self._open = [load(self._engine)]
        except BaseException:
            reference.close()
            raise
        self._lock = threading.Lock()
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def network(self) -> Network:
        """Return the network that serves; it may be closed as soon as another one does."""
        return self._open[-1]

    @property
    def stuck(self) -> bool:
        """Return True when, after `close`, the thread still hangs in foreign code that opens an engine."""
        return self._thread is not None and self._thread.is_alive()

    def ask(self) -> None:
        """Have the thread look now, and say so when there is no other engine. Returns at once."""
        self._asked.set()

    def start(self, change: Callable[[Network], bool]) -> None:
        """Begin to look; `change` puts a network to work as `Pipeline.change_network` does."""
        self._thread = threading.Thread(target=self._main, args=(change,), name="engine-updates", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and close every network that is open. Returns soon, see `stuck`. Safe to call twice."""
        with self._lock:
            self._closed = True
        self._asked.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
        with self._lock:
            for network in self._open:
                network.close()
        self._reference.close()

    def _main(self, change: Callable[[Network], bool]) -> None:
        last = self._seen
        while True:
            asked = self._asked.wait(self._poll_s)
            if self._closed:
                return
            if asked:  # else somebody may just be asking, and would not be heard
                self._asked.clear()
            version = self._reference.version()
            settled = version == last  # what is still being copied differs from look to look
            last = version
            if not asked and (version == self._seen or not settled):
                continue
            try:
                self._look(version, change, asked=asked)
            except (Exception, KeyboardInterrupt) as exc:  # noqa: BLE001 - the top of a thread; Ctrl-C reached a child
                self._seen = version
                why = " ".join(str(exc).split()) or type(exc).__name__
                _log.warning("the engine is not changed, %s goes on: %s", self._engine.id, why)

    def _look(self, version: str, change: Callable[[Network], bool], *, asked: bool) -> None:
        """Read what stands there now and put it to work; raise what is wrong with it."""
        engine = self._reference.read()
        if _serves_alike(engine, self._engine):
            self._seen = version
            _log.log(logging.INFO if asked else logging.DEBUG, "the engine is %s as before: nothing changes", engine.id)
            return
        _log.info("%s is tested and opened; %s goes on until then", engine.id, self._engine.id)
        network = self._load(engine)
        try:
            network.rehearse()
            if self._reference.version() != version:  # what was verified may not be what was opened
                _log.info("%s was replaced while it was opened: what replaced it is looked at", engine.id)
                network.close()
                if self._poll_s is None:
                    self._asked.set()
                return
            if not self._serve(network, change):
                return
        except BaseException:
            network.close()
            raise
        self._engine, self._seen = engine, version
        _log.info("the engine is %s from now on", engine.id)

    def _serve(self, network: Network, change: Callable[[Network], bool]) -> bool:
        """Put a network to work and close the one before; return False when the run has ended instead."""
        with self._lock:
            if self._closed:
                network.close()
                return False
            self._open.append(network)
        try:
            changed = change(network)
        except BaseException:
            with self._lock:
                self._open.remove(network)
            raise
        if changed:
            with self._lock:
                before = self._open.pop(0)
            before.close()
        return changed


def _serves_alike(one: Engine, other: Engine) -> bool:
    """Say whether nobody could tell which of two engines runs; where they lie and when they were built is no matter."""
    return dataclasses.replace(one, path=other.path, manifest=None) == dataclasses.replace(other, manifest=None)
