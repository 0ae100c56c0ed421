"""Spreading records over datagrams that are as full as they may be.

Long runs of equal datagrams are laid out as one matrix, so that the cost of a datagram is that of
copying it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.records import Datagrams
from flowexport_mgmt.wire.columns import Columns
from flowexport_mgmt.wire.templates import DataSet, Rows, Template

_SET_HEADER: Final = struct.Struct(">HH")
_MAX_MESSAGE: Final = 0xFFFF
_SLICE: Final = 2048  # rows whose columns stay in the processor's cache while they are filled

Octets = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Run:
    """Equal pages: each is a prefix, then so many of the rows, then zeros up to ``size``."""

    pages: int
    size: int
    prefix: bytes
    rows: Rows
    templates: int = 0

    @property
    def records(self) -> int:
        """Rows of one page."""
        return len(self.rows) // self.pages

    def write(self, into: Octets) -> None:
        """Fill ``into``, shape (pages, size)."""
        begin = len(self.prefix)
        end = begin + self.records * self.rows.dtype.itemsize
        into[:, :begin] = np.frombuffer(self.prefix, np.uint8)
        if isinstance(self.rows, Columns):
            self.rows.write(into[:, begin:end])
        else:
            into[:, begin:end] = self.rows.view(np.uint8).reshape(self.pages, -1)
        into[:, end:] = 0


@dataclass(slots=True)
class Page:
    """One page of templates and sets, under way."""

    sets: list[bytes] = field(default_factory=list)
    size: int = 0
    records: int = 0
    templates: int = 0
    pages: int = 1

    def add(self, set_id: int, body: bytes) -> None:
        """Append a set, padded with zeros."""
        size = set_size(len(body))
        self.sets.append((_SET_HEADER.pack(set_id, size) + body).ljust(size, b"\0"))
        self.size += size

    def write(self, into: Octets) -> None:
        """Fill ``into``, shape (1, size)."""
        into[0] = np.frombuffer(b"".join(self.sets), np.uint8)


class Pages:
    """Bodies of datagrams in their order, waiting for their headers.

    ``records``, ``templates`` and ``sizes`` have an entry for each page; sizes are those of the
    body in octets.
    """

    def __init__(self, blocks: Iterable[Run | Page]) -> None:
        self._blocks = [block for block in blocks if block.size]
        self.records = self._spread(block.records for block in self._blocks)
        self.templates = self._spread(block.templates for block in self._blocks)
        self.sizes = self._spread(block.size for block in self._blocks)

    def __len__(self) -> int:
        """Count the pages."""
        return len(self.sizes)

    def join(self, headers: NDArray[np.void]) -> Datagrams:
        """Put each page behind its header; ``headers`` has one row for each page."""
        width = headers.dtype.itemsize
        ends = np.cumsum(self.sizes + width)
        buffer = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
        octets = headers.view(np.uint8).reshape(-1, width)
        at = page = 0
        for block in self._blocks:
            size = block.pages * (width + block.size)
            matrix = buffer[at : at + size].reshape(block.pages, -1)
            matrix[:, :width] = octets[page : page + block.pages]
            block.write(matrix[:, width:])
            at, page = at + size, page + block.pages
        return Datagrams(
            buffer=buffer.data.toreadonly(),
            offsets=(0, *ends.tolist()),
            records=tuple(self.records.tolist()),
            templates=tuple(self.templates.tolist()),
        )

    def _spread(self, values: Iterable[int]) -> NDArray[np.int64]:
        """Give each page the value of its block."""
        counts = [block.pages for block in self._blocks]
        return np.repeat(np.fromiter(values, np.int64, len(counts)), counts)


def set_size(body: int) -> int:
    """Give the length of a set in octets: header, records, and padding to a multiple of 4."""
    return (_SET_HEADER.size + body + 3) & ~3


def split_rows(rows: Rows, per_page: int) -> Iterator[Run]:
    """Split rows into full pages and a last one, with nothing before or after the rows."""
    full = len(rows) - len(rows) % per_page
    for part in (rows[:full], rows[full:]):
        count = min(len(part), per_page)
        if count:
            yield Run(len(part) // count, count * rows.dtype.itemsize, b"", part)


def slices(count: int) -> Iterator[slice]:
    """Split rows into slices to be filled one after the other, for the processor's cache."""
    return (slice(begin, min(begin + _SLICE, count)) for begin in range(0, count, _SLICE))


class _SetPager:
    """Lays sets out on pages of at most ``room`` octets."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._page = Page()
        self.blocks: list[Run | Page] = [self._page]

    def add_template(self, set_id: int, body: bytes) -> None:
        size = set_size(len(body))
        if size > self._room:
            raise EncodeError(f"a template of {size} octets does not fit {self._room} octets")
        if size > self._room - self._page.size:
            self._turn()
        self._page.add(set_id, body)
        self._page.templates += 1

    def add_data(self, data: DataSet) -> None:
        """Fill up the page under way, then whole pages, and begin one with what is left."""
        per_page = self._fit(self._room, data)
        if per_page < 1:
            width = data.rows.dtype.itemsize
            raise EncodeError(f"a record of {width} octets does not fit {self._room} octets")
        first = min(self._fit(self._room - self._page.size, data), len(data.rows))
        full = (len(data.rows) - first) // per_page
        middle = first + full * per_page
        self._append(data, data.rows[:first])
        if full:
            size = set_size(per_page * data.rows.dtype.itemsize)
            prefix = _SET_HEADER.pack(data.template.id, size)
            self.blocks.append(Run(full, size, prefix, data.rows[first:middle]))
        if len(data.rows) > first:
            self._turn()
            self._append(data, data.rows[middle:])

    def _fit(self, octets: int, data: DataSet) -> int:
        return max(0, octets - _SET_HEADER.size) // data.rows.dtype.itemsize

    def _append(self, data: DataSet, rows: Rows) -> None:
        if len(rows):
            self._page.add(data.template.id, rows.tobytes())
            self._page.records += len(rows)

    def _turn(self) -> None:
        self._page = Page()
        self.blocks.append(self._page)


def lay_out_sets(
    sets: Iterable[Template | DataSet],
    *,
    header_size: int,
    max_size: int,
    encode_template: Callable[[Template], tuple[int, bytes]],
) -> Pages:
    """Lay sets out in their order on as few pages as hold them.

    Args:
        sets: templates (a template set each) and data sets, which are split where a page ends.
        header_size: octets of the message header that each page leaves room for, a multiple of 4.
        max_size: octets of the largest message.
        encode_template: gives set id and template record.

    Raises:
        EncodeError: one template or record alone is larger than a message.
    """
    pager = _SetPager((min(max_size, _MAX_MESSAGE) & ~3) - header_size)
    for item in sets:
        if isinstance(item, Template):
            pager.add_template(*encode_template(item))
        else:
            pager.add_data(item)
    return Pages(pager.blocks)
