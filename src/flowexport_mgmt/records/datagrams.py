"""Encoded datagrams as one buffer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Datagrams:
    """Datagrams that stand one after the other in one buffer.

    Datagram ``i`` is ``buffer[offsets[i]:offsets[i + 1]]`` and carries ``records[i]`` records
    (counter samples, data records, option data records; no templates) and ``templates[i]``
    template records.
    """

    buffer: bytes | memoryview
    offsets: tuple[int, ...]
    records: tuple[int, ...]
    templates: tuple[int, ...]

    def __len__(self) -> int:
        """Count the datagrams."""
        return len(self.records)

    def __iter__(self) -> Iterator[memoryview]:
        """Yield each datagram as a view of the buffer."""
        view = memoryview(self.buffer)
        for begin, end in zip(self.offsets, self.offsets[1:], strict=False):
            yield view[begin:end]
