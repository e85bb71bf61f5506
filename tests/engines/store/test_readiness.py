"""Start an engine that may have to be built first."""

import shutil

import pytest

from mnv2_engines.errors import CorruptEngineError, StaleEngineError, UnbuiltEngineError
from mnv2_engines.store import Store
from mnv2_engines.store.readiness import make_ready, verify_stored
from support.stale import BUILT_WITH, make_stale


def unbuild(store: Store) -> None:
    folder = store.version("signs").folder
    for file in ("signs.json", "signs.tflite"):
        (folder / file).unlink()


def damage(store: Store) -> None:
    path = store.version("signs").engine_path()
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def test_an_engine_that_passes_stays_as_it_is(store: Store) -> None:
    before = store.version("signs")
    make_ready(store, "signs", "stale")
    assert store.version("signs") == before


@pytest.mark.parametrize(
    ("harm", "policy", "error", "command"),
    [
        (unbuild, "never", UnbuiltEngineError, "`mnv2-edge engines rebuild signs`"),
        (lambda store: make_stale(store, "signs"), "missing", StaleEngineError, "`mnv2-edge engines rebuild signs`"),
        (damage, "missing", CorruptEngineError, "`mnv2-edge engines rebuild signs`"),
    ],
)
def test_what_the_policy_does_not_reach_is_told_with_the_command(store: Store, harm, policy, error, command) -> None:
    harm(store)
    before = store.version("signs")
    with pytest.raises(error, match=command):
        make_ready(store, "signs", policy)
    assert store.version("signs") == before


@pytest.mark.parametrize(
    ("harm", "policy", "says"),
    [
        (unbuild, "missing", "came from another device"),
        (lambda store: make_stale(store, "signs"), "stale", BUILT_WITH),
        (damage, "stale", "is not the file that was verified"),
    ],
)
def test_what_it_reaches_is_built(store: Store, harm, policy, says, caplog) -> None:
    harm(store)
    make_ready(store, "signs", policy)
    assert says in caplog.text
    assert verify_stored(store, "signs", load=lambda _path: None).state == "ok"


def test_what_cannot_be_built_again_stays(store: Store) -> None:
    damage(store)
    shutil.rmtree(store.version("signs").source)
    before = store.version("signs")
    with pytest.raises(CorruptEngineError, match=r"recipe\.json is missing"):
        make_ready(store, "signs", "stale")
    assert store.version("signs") == before
