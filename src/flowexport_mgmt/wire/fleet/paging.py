"""Spreading the records of many exporters over datagrams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.wire import ragged

Integers = NDArray[np.int64]
Octets = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Shape:
    """What datagrams are made of, in octets.

    A datagram has a header of ``head``, where it is announced to a ``prefix`` (templates), and
    where it has records ``set_head`` before them. ``unit`` is what the records of a datagram are
    padded to, ``most`` how many it may have at all.
    """

    head: int
    prefix: int
    set_head: int
    record: int
    unit: int
    most: int

    def room(self, max_size: int, prefix: int) -> int:
        """Tell how many records fit beside a prefix of so many octets."""
        free = max_size - self.head - prefix - self.set_head
        fitting = free // self.unit * self.unit // self.record
        return max(0, min(self.most, fitting))


@dataclass(frozen=True, slots=True)
class FleetDatagrams:
    """Encoded datagrams: ``buffer[offsets[i] : offsets[i + 1]]`` is of ``exporters[i]``.

    ``records`` counts the flow records of each, ``announced`` tells which have templates. The other
    arrays are int64; datagrams of one exporter stand together, in the order of their sequence.
    """

    buffer: Octets
    offsets: Integers
    exporters: Integers
    records: Integers
    announced: NDArray[np.bool_]

    def __len__(self) -> int:
        """Count the datagrams."""
        return len(self.exporters)

    def __getitem__(self, number: int) -> bytes:
        """Copy one datagram out."""
        return self.buffer[self.offsets[number] : self.offsets[number + 1]].tobytes()


class Pages:
    """Which records of which exporter stand in which datagram, and where.

    Args:
        shape: what datagrams are made of.
        counts: how many records each exporter has; the records stand in this order.
        announced: which exporters' first datagram has the prefix; they have one in any case.
        max_size: octets of the largest datagram.

    Attributes:
        exporters: the exporter of each datagram.
        ordinals: how many datagrams of the same exporter stand before it.
        records: how many records it has.
        before: how many records stand before it, those of other exporters included.
        prefixed: whether it has the prefix.
        offsets: where it begins in the buffer; one more for the end.

    Raises:
        EncodeError: not even one record fits.
    """

    def __init__(
        self, shape: Shape, counts: Integers, announced: NDArray[np.bool_], max_size: int
    ) -> None:
        self.shape = shape
        later = shape.room(max_size, 0)
        if later < 1 or max_size < shape.head + shape.prefix:
            raise EncodeError(f"a record does not fit a datagram of {max_size} octets")
        first = np.where(announced, shape.room(max_size, shape.prefix), later)
        in_first = np.minimum(counts, first)
        datagrams = -(-(counts - in_first) // later) + ((counts > 0) | announced)
        self.exporters = np.repeat(np.arange(len(counts)), datagrams)
        begins = np.cumsum(datagrams) - datagrams
        self.ordinals = np.arange(len(self.exporters)) - begins[self.exporters]
        self.prefixed = announced[self.exporters] & (self.ordinals == 0)
        self.records = self._count(counts, in_first, later)
        self.before = np.cumsum(self.records) - self.records
        self.offsets = np.concatenate(([0], np.cumsum(self._sizes())))

    def _count(self, counts: Integers, in_first: Integers, later: int) -> Integers:
        started = in_first[self.exporters]
        rest = counts[self.exporters] - started - later * (self.ordinals - 1)
        return np.where(self.ordinals == 0, started, np.minimum(rest, later))

    @property
    def sets_at(self) -> Integers:
        """Where the head of the records begins in each datagram that has any."""
        at: Integers = self.offsets[:-1] + self.shape.head + self.prefixed * self.shape.prefix
        return at

    @property
    def set_sizes(self) -> Integers:
        """Octets of each datagram's records with their head and their padding; 0 for none."""
        shape = self.shape
        octets = -(-(self.records * shape.record) // shape.unit) * shape.unit
        return np.where(self.records > 0, octets + shape.set_head, 0)

    def _sizes(self) -> Integers:
        shape = self.shape
        sizes: Integers = shape.head + self.prefixed * shape.prefix + self.set_sizes
        return sizes

    def make(self, headers: NDArray[np.void], rows: Octets) -> Octets:
        """Write headers and records into a new buffer; the rest of it is zero.

        Args:
            headers: one for each datagram.
            rows: the records, one after the other.
        """
        buffer = np.zeros(int(self.offsets[-1]), np.uint8)
        put(buffer, self.offsets[:-1], headers)
        width = self.shape.record
        records_at = self.sets_at + self.shape.set_head
        to = np.repeat(records_at - self.before * width, self.records)
        to += np.arange(len(to)) * width
        ragged.windows(buffer, width)[to] = rows.view(f"V{width}")
        return buffer


def put(buffer: Octets, to: Integers, rows: NDArray[np.void]) -> None:
    """Write each row to its place."""
    if len(to):
        width = rows.dtype.itemsize
        ragged.windows(buffer, width)[to] = rows.view(f"V{width}")
