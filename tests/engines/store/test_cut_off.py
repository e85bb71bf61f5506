"""Be cut off at every single step of an installation, and find one whole engine behind the name."""

import subprocess
import sys
from pathlib import Path

import pytest

from mnv2_engines.store import Store

# Be killed at the n-th of all calls that change the disk, as in a power cut: no finally, no flush. One n a home.
DIE = """
import os, pathlib, sys
from mnv2_engines.store import Store
calls = 0
def dying(call, deadline):
    def wrapped(*args, **kwargs):
        global calls
        calls += 1
        if calls == deadline:
            os._exit(9)
        return call(*args, **kwargs)
    return wrapped
for deadline, home in enumerate(sys.argv[1:], 1):
    if os.fork() == 0:
        for name in ("mkdir", "rename", "replace", "symlink", "unlink", "rmdir", "fsync", "open"):
            setattr(os, name, dying(getattr(os, name), deadline))
        with Store(pathlib.Path(home)).staging("signs") as staging:
            (staging.folder / "engine").write_text("new" * 1000)
            staging.publish()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
OLD, NEW = "old" * 1000, "new" * 1000


def put(store: Store, content: str) -> None:
    with store.staging("signs") as staging:
        (staging.folder / "engine").write_text(content)
        staging.publish()


@pytest.mark.parametrize("existing", [True, False])
def test_a_name_means_the_old_or_the_new_engine_wherever_a_process_was_cut_off(tmp_path: Path, existing: bool) -> None:
    stores = [Store(tmp_path / str(deadline)) for deadline in range(1, 45)]
    if existing:
        for store in stores:
            put(store, OLD)
    command = [sys.executable, "-c", DIE, *(str(store.folder.parent) for store in stores)]
    statuses = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    cuts = statuses.index("0")
    assert statuses == ["9"] * cuts + ["0"] * (len(stores) - cuts)
    seen = []
    for store in stores[: cuts + 1]:
        if store.names() == ("signs",):
            with store.pinned("signs") as version:
                content = (version.folder / "engine").read_text()
            assert content in (OLD, NEW)
            seen.append("old" if content == OLD else "new")
        else:
            seen.append("none")
        put(store, NEW)  # what was left is not in its way, and goes
        assert store.default() == "signs"
        store.prune()
        assert len(list((store.folder / ".versions" / "signs").iterdir())) == 1
        assert list((store.folder / ".staging").iterdir()) == []
        assert not [entry for entry in store.folder.iterdir() if entry.name.startswith(".link")]
    before = "old" if existing else "none"
    assert seen == [before] * seen.count(before) + ["new"] * seen.count("new")
    assert min(seen.count(before), seen.count("new")) >= 5
