"""Spreading templates and data records over messages that fit a datagram (RFC 3954, RFC 7011)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.records import Datagrams
from flowexport_mgmt.wire.templates import DataSet, Template

_SET_HEADER = struct.Struct(">HH")
_MAX_MESSAGE = 0xFFFF


@dataclass(slots=True)
class Page:
    """The body of one message: sets, data records in them, template records in them."""

    chunks: list[bytes | memoryview] = field(default_factory=list)
    size: int = 0
    records: int = 0
    templates: int = 0

    def add(self, set_id: int, body: bytes | memoryview) -> None:
        """Append a set, padded with zeros to a multiple of 4 octets."""
        length = (_SET_HEADER.size + len(body) + 3) & ~3
        padding = bytes(length - _SET_HEADER.size - len(body))
        self.chunks += (_SET_HEADER.pack(set_id, length), body, padding)
        self.size += length


class _Pages:
    """Fills one page after the other; none is larger than ``room`` octets."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.done: list[Page] = []
        self._page = Page()

    def add_template(self, set_id: int, body: bytes) -> None:
        length = (_SET_HEADER.size + len(body) + 3) & ~3
        if length > self._room - self._page.size:
            self._turn()
        if length > self._room:
            raise EncodeError(f"a template of {length} octets does not fit {self._room} octets")
        self._page.add(set_id, body)
        self._page.templates += 1

    def add_data(self, data: DataSet) -> None:
        width = data.rows.dtype.itemsize
        if width > self._room - _SET_HEADER.size:
            raise EncodeError(f"a record of {width} octets does not fit {self._room} octets")
        view = memoryview(data.rows.tobytes())
        at, end = 0, len(data.rows)
        while at < end:
            count = min((self._room - self._page.size - _SET_HEADER.size) // width, end - at)
            if count <= 0:
                self._turn()
                continue
            self._page.add(data.template.id, view[at * width : (at + count) * width])
            self._page.records += count
            at += count

    def _turn(self) -> None:
        if self._page.chunks:
            self.done.append(self._page)
        self._page = Page()

    def finish(self) -> list[Page]:
        self._turn()
        return self.done


def paginate(
    sets: Iterable[Template | DataSet],
    *,
    header_size: int,
    max_size: int,
    encode_template: Callable[[Template], tuple[int, bytes]],
) -> list[Page]:
    """Lay sets out in their order on as few pages as hold them.

    Args:
        sets: templates (a template set each) and data sets, which are split where a page ends.
        header_size: octets of the message header that each page leaves room for.
        max_size: octets of the largest message.
        encode_template: gives set id and template record.

    Raises:
        EncodeError: one template or record alone is larger than a message.
    """
    pages = _Pages((min(max_size, _MAX_MESSAGE) & ~3) - header_size)
    for item in sets:
        if isinstance(item, Template):
            pages.add_template(*encode_template(item))
        else:
            pages.add_data(item)
    return pages.finish()


def join(pages: Sequence[Page], headers: Iterable[bytes]) -> Datagrams:
    """Put each page behind its header."""
    offsets = [0]
    chunks: list[bytes | memoryview] = []
    for page, header in zip(pages, headers, strict=True):
        chunks += (header, *page.chunks)
        offsets.append(offsets[-1] + len(header) + page.size)
    return Datagrams(
        buffer=b"".join(chunks),
        offsets=tuple(offsets),
        records=tuple(page.records for page in pages),
        templates=tuple(page.templates for page in pages),
    )


def template_fields(template: Template) -> Iterator[int]:
    """Yield element and length of each field, scopes first."""
    for part in (*template.scopes, *template.fields):
        yield part.element
        yield part.length
