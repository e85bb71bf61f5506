"""The few items of a long series with the greatest scores."""

import heapq
import itertools
from typing import Generic, TypeVar

__all__ = ["TopItems"]

_Item = TypeVar("_Item")


class TopItems(Generic[_Item]):
    """The items with the greatest scores; of items with equal scores, the first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[float, int, _Item]] = []
        self._places = itertools.count(0, -1)

    def takes(self, score: float) -> bool:
        """Return whether an item of this score would be kept: drawing one that is not would be a waste."""
        return len(self._heap) < self._most or score > self._heap[0][0]

    def add(self, score: float, item: _Item) -> None:
        """Keep an item, and drop the least one when there are too many."""
        entry = (score, next(self._places), item)
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def items(self) -> tuple[_Item, ...]:
        """Return what was kept, the greatest score first."""
        return tuple(item for _, _, item in sorted(self._heap, key=lambda entry: entry[:2], reverse=True))
