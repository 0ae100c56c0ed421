"""Losses, told by the numbers that the samples of a group have."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_WINDOW: Final = 1 << 14
"""How far behind a sample may come; one that is further behind begins the numbers anew."""


class GroupSequence:
    """Follows the numbers of one group.

    Processors that take samples at the same time may overtake each other, and even give two samples
    one number. So what comes late is set off against the next loss: the total of the losses is
    exact as soon as the order is.
    """

    def __init__(self, expected: int | None = None) -> None:
        """Expect a number; None takes the first that comes for the first there is."""
        self._expected = expected
        self._credit = 0

    def follow(self, numbers: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Take the numbers of samples in the order in which they came.

        Returns:
            For each sample how many were lost before it.
        """
        losses = self._follow_ascending(numbers)
        if losses is not None:
            return losses
        losses = np.zeros(len(numbers), np.int64)
        begin = 0
        while begin < len(numbers):
            begin += self._follow(numbers[begin:], losses[begin:])
        return losses

    def _follow_ascending(self, numbers: NDArray[np.uint32]) -> NDArray[np.int64] | None:
        """Do so where each number is ahead of the one before and nothing is to be set off."""
        if self._credit or not len(numbers):
            return None
        expected = int(numbers[0]) if self._expected is None else self._expected
        before = np.uint32(expected - 1 & 0xFFFFFFFF)
        ahead = (numbers - before).view(np.int32)
        losses = np.empty(len(numbers), np.int64)
        losses[0] = ahead[0]
        np.subtract(ahead[1:], ahead[:-1], out=losses[1:], dtype=np.int64)
        if losses.min() < 1:
            return None
        self._expected = int(numbers[-1]) + 1 & 0xFFFFFFFF
        losses -= 1
        return losses

    def _follow(self, numbers: NDArray[np.uint32], losses: NDArray[np.int64]) -> int:
        """Take numbers up to where they begin anew; say how many those are."""
        if self._expected is None:
            self._expected, self._credit = int(numbers[0]), 0
        expected = self._expected
        ahead = (numbers - np.uint32(expected)).view(np.int32).astype(np.int64)
        anew = np.flatnonzero(ahead < -_WINDOW)
        count = int(anew[0]) if len(anew) else len(numbers)
        if len(anew):
            self._expected = None
        if count:
            self._take(ahead[:count], losses, expected, goes_on=not len(anew))
        return count

    def _take(
        self, ahead: NDArray[np.int64], losses: NDArray[np.int64], expected: int, *, goes_on: bool
    ) -> None:
        order = np.argsort(ahead, kind="stable")
        order = order[ahead[order] >= 0]
        steps = np.diff(ahead[order], prepend=-1) - 1
        self._credit += len(ahead) - len(order) + int((steps < 0).sum())
        total = np.cumsum(np.maximum(steps, 0))
        charged = np.maximum(total - self._credit, 0)
        losses[order] = np.diff(charged, prepend=0)
        if len(order):
            self._credit = max(self._credit - int(total[-1]), 0)
            if goes_on:
                self._expected = expected + int(ahead[order[-1]]) + 1 & 0xFFFFFFFF
