"""Put names that come with ids into the order of the network's output."""

from typing import Final, TypeAlias

from mnv2_engines.errors import LabelsError

__all__ = ["Labels", "add_id", "in_order", "is_id"]

Labels: TypeAlias = tuple[str, ...]

_SHOWN: Final = 5
_DIGITS: Final = 9
PLAIN_HINT: Final = "if the numbers are part of the names, write the file as a JSON list"


def is_id(text: str) -> bool:
    """Return True for a plain decimal number of a sane size."""
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS


def add_id(names: dict[int, str], number: int, name: str, source: str) -> None:
    """Add a name under its id.

    Raises LabelsError for an id that is there already.
    """
    if number in names:
        raise LabelsError(f"{source}: id {number} is given twice, to {names[number]!r} and {name!r}; {PLAIN_HINT}")
    names[number] = name


def in_order(names: dict[int, str], source: str) -> Labels:
    """Return the names by id.

    Raises LabelsError that says which ids are missing unless they run from 0 without a gap.
    """
    if not names:
        return ()
    last = max(names)
    missing: list[str] = []
    for number in range(last + 1):
        if number not in names:
            missing.append(str(number))
            if len(missing) > _SHOWN:
                missing[-1] = "..."
                break
    if min(names) < 0:
        raise LabelsError(f"{source}: id {min(names)} is negative: ids count from 0")
    if missing:
        hint = "ids count from 0; is the background class left out?" if missing == ["0"] else PLAIN_HINT
        raise LabelsError(
            f"{source} has {len(names)} labels with ids {min(names)} to {last}, without {', '.join(missing)}: "
            f"every id from 0 on needs a name; {hint}"
        )
    return tuple(names[number] for number in range(last + 1))
