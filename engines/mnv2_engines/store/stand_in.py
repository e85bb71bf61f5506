"""Find an engine that can serve in the place of a plan that has to be built again."""

from typing import Final

from mnv2_engines.errors import EnginesError
from mnv2_engines.store.folder import Store
from mnv2_engines.store.readiness import find_trouble
from mnv2_engines.store.recipe import Recipe
from mnv2_engines.store.sources import read_recipe

__all__ = ["find_stand_in", "why_rebuild"]


_MEND: Final = ": build it again with"
"""How such a message ends (see `mending`): it is for somebody who has to do it."""


def why_rebuild(store: Store, name: str) -> str | None:
    """Say why a stored TensorRT plan has to be built again; None when it fits, and for every other kind of engine.

    Raises UnknownEngineError, CorruptEngineError for a damaged recipe, and BackendUnavailableError when there is no
    TensorRT or no GPU: then building would not help.
    """
    if _recipe(store, name).target != "tensorrt":
        return None
    trouble = find_trouble(store, name, None)
    return None if trouble is None else str(trouble).partition(_MEND)[0]


def find_stand_in(store: Store, name: str) -> str | None:
    """Return a LiteRT engine of the same network, by the model's bytes and task; None when none is there and well."""
    wanted = _recipe(store, name)
    return next((other for other in store.names() if _stands_in(store, other, wanted)), None)


def _stands_in(store: Store, name: str, wanted: Recipe) -> bool:
    try:
        recipe = _recipe(store, name)
        same = (recipe.model.sha256, recipe.task, recipe.labels) == (wanted.model.sha256, wanted.task, wanted.labels)
        return same and recipe.target == "litert" and find_trouble(store, name, None) is None
    except EnginesError:  # one that is damaged stands in for nothing
        return False


def _recipe(store: Store, name: str) -> Recipe:
    with store.pinned(name) as version:
        return read_recipe(version.source)
