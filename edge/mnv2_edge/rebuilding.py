"""Serve with one engine while another one is being built again, and with that one as soon as it is there."""

import logging
import subprocess
import threading
from collections.abc import Sequence
from typing import Final

from mnv2_engines.child_python import module_command
from mnv2_engines.engine import Engine
from mnv2_engines.engine_reference import EngineReference
from mnv2_engines.store import Store
from mnv2_engines.store.reference import StoredEngine

__all__ = ["RebuildingEngine", "begin_rebuilding"]

_log = logging.getLogger(__name__)
_END_S: Final = 0.3
"""Ctrl-C has to end the process within a second."""


def begin_rebuilding(store: Store, name: str) -> "RebuildingEngine | None":
    """Begin to build a stored TensorRT plan that does not fit any more, if another engine can serve meanwhile.

    None when it fits, or none can. Raises as `why_rebuild` does.
    """
    from mnv2_engines.store.stand_in import find_stand_in, why_rebuild  # they know recipes of builds

    why = why_rebuild(store, name)
    other = None if why is None else find_stand_in(store, name)
    if why is None or other is None:
        return None
    command = ("nice", "-n", "10", *module_command("mnv2_edge", "engines", "rebuild", name))  # frames come first
    _log.warning("rebuilding %s, %s serves meanwhile: %s", name, other, why)
    wanted, stand_in = StoredEngine(store, name), StoredEngine(store, other)
    return RebuildingEngine(name, why, wanted=wanted, stand_in=stand_in, command=command)


class RebuildingEngine:
    """Point at `stand_in` until `command` has built what `wanted` points at; keeps the promises of `EngineReference`.

    The build has a process of its own: minutes of a compiler that may crash or be killed for want of memory. Whoever
    watches the reference sees its end as a new version. When it fails the stand-in stays.
    """

    def __init__(
        self, name: str, why: str, *, wanted: EngineReference, stand_in: EngineReference, command: Sequence[str]
    ) -> None:
        """Begin to build at once. Raises OSError when that cannot be started."""
        self._name = name
        self._why = why
        self._wanted = wanted
        self._stand_in = stand_in
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
        self._stand_in.close()

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
            return self._wanted if self._built else self._stand_in
