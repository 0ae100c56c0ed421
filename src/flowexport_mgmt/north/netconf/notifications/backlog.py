"""A bounded queue between a publisher that never waits and one subscription."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Generic, TypeVar

LIMIT: Final = 1024
"""Items that may wait for a client that does not read."""

_Item = TypeVar("_Item")


class Backlog(Generic[_Item]):
    """Items in order; one that finds no room is refused and counted."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._items: deque[_Item] = deque()
        self._limit = limit
        self._filled = asyncio.Event()
        self.refused = 0

    def put(self, item: _Item) -> bool:
        """Add an item; say whether there was room."""
        if len(self._items) >= self._limit:
            self.refused += 1
            return False
        self._items.append(item)
        self._filled.set()
        return True

    async def get(self) -> _Item:
        """Wait for the next item."""
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        return self._items.popleft()
