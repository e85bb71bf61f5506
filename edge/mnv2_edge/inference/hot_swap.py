"""Replacement of the engine while it serves, by a newer one or one that is being rebuilt."""

import dataclasses
import logging
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Final

from mnv2_edge.inference.network import Network
from mnv2_engines.child_python import module_command
from mnv2_engines.engine.engine import Engine
from mnv2_engines.engine.reference import EngineReference
from mnv2_engines.store import Store
from mnv2_engines.store.reference import StoredEngine

__all__ = ["EngineUpdates", "RebuildingEngine", "begin_rebuilding"]

_log = logging.getLogger(__name__)
_POLL_S = 1.0
_JOIN_S = 0.3  # Ctrl-C has to end the process within a second


class EngineUpdates:
    """Owner of `reference` (the network that serves) and of the thread that finds and opens its successor.

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
        """Make the thread look now, and log when there is no other engine. Returns at once."""
        self._asked.set()

    def start(self, change: Callable[[Network], bool]) -> None:
        """Start to look; `change` puts a network to work as `Pipeline.change_network` does."""
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
    """Return whether two engines are the same except for their path and manifest."""
    return dataclasses.replace(one, path=other.path, manifest=None) == dataclasses.replace(other, manifest=None)


_END_S: Final = 0.3
"""Ctrl-C has to end the process within a second."""


def begin_rebuilding(store: Store, name: str) -> "RebuildingEngine | None":
    """Start to build a stored TensorRT plan that does not fit any more, if another engine can serve meanwhile.

    None when it fits, or none can. Raises as `why_rebuild` does.
    """
    from mnv2_engines.store.readiness import find_substitute, why_rebuild  # they know recipes of builds

    why = why_rebuild(store, name)
    other = None if why is None else find_substitute(store, name)
    if why is None or other is None:
        return None
    command = ("nice", "-n", "10", *module_command("mnv2_edge", "engines", "rebuild", name))  # frames come first
    _log.warning("rebuilding %s, %s serves meanwhile: %s", name, other, why)
    wanted, substitute = StoredEngine(store, name), StoredEngine(store, other)
    return RebuildingEngine(name, why, wanted=wanted, substitute=substitute, command=command)


class RebuildingEngine:
    """Reference to `substitute` until `command` has built the engine of `wanted`; an `EngineReference`.

    The build has a process of its own: minutes of a compiler that may crash or be killed for lack of memory. Its end
    shows as a new version of the reference. When it fails, the substitute stays.
    """

    def __init__(
        self, name: str, why: str, *, wanted: EngineReference, substitute: EngineReference, command: Sequence[str]
    ) -> None:
        """Start to build at once. Raises OSError when that cannot be started."""
        self._name = name
        self._why = why
        self._wanted = wanted
        self._substitute = substitute
        self._lock = threading.Lock()
        self._built: bool | None = None
        self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def remark(self) -> str:
        """Return `rebuilding NAME: why` for as long as the stand-in serves; empty from then on."""
        if self._serving() is self._wanted:
            return ""
        return f"{'rebuilding' if self._built is None else 'could not rebuild'} {self._name}: {self._why}"

    def version(self) -> str:
        """Return the version of whichever serves."""
        return self._serving().version()

    def read(self) -> Engine:
        """Read whichever serves."""
        return self._serving().read()

    def close(self) -> None:
        """End the build and let go of both. Safe to call twice."""
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        self._wanted.close()
        self._substitute.close()

    def _serving(self) -> EngineReference:
        with self._lock:
            if self._built is None and (status := self._child.poll()) is not None:
                self._built = status == 0
                if self._built:
                    _log.info("%s was built again", self._name)
                else:
                    _log.warning(
                        "%s was not built again (exit status %d), its stand-in goes on: "
                        "`mnv2-edge engines rebuild %s` shows why",
                        self._name,
                        status,
                        self._name,
                    )
            return self._wanted if self._built else self._substitute
