"""Find the engine that a user means by a word, or by saying nothing."""

from pathlib import Path

from mnv2_engines.errors import UnknownEngineError
from mnv2_engines.store.folder import Store
from mnv2_engines.store.names import is_file_like, is_name

__all__ = ["choose_stored"]


def choose_stored(store: Store, model: str | None) -> str | None:
    """Return the name of the stored engine that `model` means; None when it means a file, or nothing and none is there.

    What has a folder or the ending of a file is a file. Any other word is a name first, and a file when the store does
    not have it and the file is there. Raises UnknownEngineError when it is neither, and when nothing is said and none
    of the stored engines is the default.
    """
    if model is None:
        return _default(store)
    if is_file_like(model) or not is_name(model):
        return None
    if model not in store.names() and Path(model).exists():
        return None
    return store.version(model).name


def _default(store: Store) -> str | None:
    name = store.default()
    names = store.names()
    if name is None and names:
        raise UnknownEngineError(
            f"none of the engines in {store.folder} is the default: name one (--model NAME), or choose one for "
            f"good with `mnv2-edge engines default {names[0]}`; it holds {', '.join(names)}"
        )
    return name
