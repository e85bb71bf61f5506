"""Several classes that count as one: `groups: {cat: [tabby, "Egyptian cat"]}`."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnv2_engines.errors import ContractError

__all__ = ["LabelGroup", "resolve_groups"]


@dataclass(frozen=True, slots=True, eq=False)
class LabelGroup:
    """A label of its own and the classes that it stands for."""

    label: str
    members: npt.NDArray[np.intp]
    """Class ids, ascending, at least one."""


def resolve_groups(groups: Mapping[str, Sequence[str]], labels: Sequence[str]) -> tuple[LabelGroup, ...]:
    """Find the classes that every group names.

    A member is a whole label, or one of the names of a label that lists several after commas, as ImageNet's do
    (`tabby` finds `tabby, tabby cat`); case does not matter, and a name that several classes have stands for all of
    them. A class may be in several groups. Raises ContractError for a member that is not a label, with the nearest one,
    for a group without members, and for one that is called like a class outside of it.
    """
    names = _index(labels)
    resolved: list[LabelGroup] = []
    for group, members in groups.items():
        if not members:
            raise ContractError(f"group {group!r} has no members: expected a list of labels")
        ids = {class_id for member in members for class_id in _find(member, group, names)}
        clash = [class_id for class_id, label in enumerate(labels) if label == group and class_id not in ids]
        if clash:
            raise ContractError(
                f"group {group!r} has the name of class {clash[0]}, which is not in it: add {group!r} to its members, "
                "or give it another name"
            )
        resolved.append(LabelGroup(group, np.array(sorted(ids), np.intp)))
    return tuple(resolved)


def _index(labels: Sequence[str]) -> dict[str, list[int]]:
    """Map every name, case-folded, to its classes; a whole label wins over a part of another."""
    whole: dict[str, list[int]] = {}
    parts: dict[str, list[int]] = {}
    for class_id, label in enumerate(labels):
        whole.setdefault(label.casefold(), []).append(class_id)
        for part in label.split(","):
            parts.setdefault(part.strip().casefold(), []).append(class_id)
    return parts | whole


def _find(member: str, group: str, names: Mapping[str, list[int]]) -> list[int]:
    found = names.get(member.strip().casefold())
    if found is None:
        near = difflib.get_close_matches(member.casefold(), names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "expected one of the network's labels"
        raise ContractError(f"{member!r} in the group {group!r} is not a label: {hint}")
    return found
