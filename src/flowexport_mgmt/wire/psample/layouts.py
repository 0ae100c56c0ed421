"""Where the attributes of a message stand.

The kernel writes the attributes of every sample that it takes in one place in the same order, so
one message that was taken apart tells where to find everything in the others.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.ragged import Octets, Positions, windows

SAMPLE_DTYPE: Final = np.dtype(
    [
        ("in_if", np.uint32),  # the low 16 bits of the ifIndex; 0 when there is none
        ("out_if", np.uint32),
        ("rate", np.uint32),
        ("size", np.uint32),  # octets of the packet
        ("group", np.uint32),
        ("sequence", np.uint32),  # samples of the group before this one, modulo 2^32
        ("time_ns", np.uint64),  # Unix time; 0 when the kernel does not tell
        ("protocol", np.uint16),  # EtherType; 0 when the kernel does not tell
        ("queue", np.uint32),  # the egress queue, 2^32 - 1 when unknown, as below
        ("depth", np.uint32),  # octets in that queue
        ("latency", np.uint32),  # nanoseconds inside of the device
        ("at", np.int64),  # where the packet's first octets stand in the buffer
        ("length", np.int64),  # how many there are
    ]
)
"""One row per sample."""

UNKNOWN: Final = 0xFFFFFFFF
"""What queue, depth and latency are where no device told."""

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_GENERIC = struct.Struct("=BBH")  # genlmsghdr: command, version, reserved
_ATTRIBUTE = struct.Struct("=HH")
_BODY = _HEADER.size + _GENERIC.size
_TYPE_MASK = 0x3FFF

_SAMPLE, _NEW_GROUP, _DELETE_GROUP = 0, 2, 3
_GROUP, _SEQUENCE, _DATA = 3, 4, 6

_FIELDS: Final[Mapping[int, tuple[str, tuple[int, ...]]]] = {
    0: ("in_if", (2, 4)),
    1: ("out_if", (2, 4)),
    2: ("size", (4,)),
    _GROUP: ("group", (4,)),
    _SEQUENCE: ("sequence", (4,)),
    5: ("rate", (4,)),
    10: ("queue", (2,)),
    11: ("depth", (8,)),
    12: ("latency", (8,)),
    13: ("time_ns", (8,)),
    14: ("protocol", (2,)),
}
"""Attributes by number: the column that they fill and the octets that they may have."""

_FRAME: Final = {"length": np.dtype(np.uint32), "data_length": np.dtype(np.uint16)}
"""What the message and the packet's attribute say of their lengths."""

_REQUIRED: Final = frozenset(("size", "group", "sequence", "rate"))
_SATURATED: Final = frozenset(("depth", "latency"))  # 64 bits in the kernel, 32 in sFlow
_TOLD: Final = ("queue", "depth", "latency")


class GroupChange(NamedTuple):
    """A group came into being or went; its sequence starts from zero with the next one.

    ``row`` is the position of the message among those that were parsed with it.
    """

    row: int
    group: int
    is_new: bool


class _Field(NamedTuple):
    name: str
    at: int
    width: int


class Layout:
    """The places of the attributes as far as the packet's octets, with the packet's own."""

    def __init__(self, message: bytes, family: int) -> None:
        """Take a sample apart.

        Raises:
            DecodeError: the message breaks the protocol.
        """
        fields, headers, data_at = _walk(message)
        missing = _REQUIRED - {field.name for field in fields}
        if missing:
            raise DecodeError("missing-attribute", f"no {', '.join(sorted(missing))}", _BODY)
        self._size = data_at
        self._signature = _signature(headers, data_at - _ATTRIBUTE.size, family)
        self._head = np.dtype(
            {
                "names": [*(field.name for field in fields), *_FRAME],
                "formats": [*(f"=u{field.width}" for field in fields), *_FRAME.values()],
                "offsets": [*(field.at for field in fields), 0, data_at - _ATTRIBUTE.size],
                "itemsize": data_at,
            }
        )
        self._columns = tuple(field.name for field in fields)

    def read(
        self, buffer: Octets, offsets: Positions, lengths: Positions
    ) -> tuple[NDArray[np.bool_], NDArray[np.void]]:
        """Read the messages that have their attributes in the same places, and are whole.

        Of a packet whose end was cut off with that of the message, what is there remains.

        Returns:
            Which messages those are, and their rows (SAMPLE_DTYPE).
        """
        matches = lengths >= self._size
        heads = windows(buffer, self._size)[offsets[matches]]
        head = heads.view(self._head)
        data = head["data_length"].astype(np.int64) - _ATTRIBUTE.size
        same = (data >= 0) & (head["length"] >= self._size + data)
        same &= self._differences(heads) == 0
        matches[matches] = same
        rows = self._fill(head[same], offsets[matches])
        rows["length"] = np.minimum(data[same], lengths[matches] - self._size)
        return matches, rows

    def _differences(self, heads: NDArray[np.void]) -> NDArray[np.uint32]:
        """Collect the bits in which messages differ from what is known, word by word."""
        words = heads.view(np.uint32).reshape(len(heads), -1)
        differences = np.zeros(len(heads), np.uint32)
        for column, value, mask in self._signature:
            differences |= (words[:, column] ^ value) & mask
        return differences

    def _fill(self, head: NDArray[np.void], offsets: Positions) -> NDArray[np.void]:
        rows = np.zeros(len(head), SAMPLE_DTYPE)
        for name in _TOLD:
            rows[name] = UNKNOWN
        for name in self._columns:
            values = head[name]
            rows[name] = np.minimum(values, UNKNOWN) if name in _SATURATED else values
        rows["at"] = offsets + self._size
        return rows


def is_sample(message: bytes, family: int) -> bool:
    """Say whether a message is a sample; if not, it tells of a group.

    Raises:
        DecodeError: it is no message of the family, or none that it sends by itself.
    """
    if len(message) < _BODY:
        raise DecodeError("message-length", f"{len(message)} octets are no message")
    length, kind, *_ = _HEADER.unpack_from(message)
    if length < _BODY:
        raise DecodeError("message-length", f"a length of {length} octets is too short")
    if kind != family:
        raise DecodeError("message-type", f"type {kind} is not that of the family, {family}", 4)
    command = message[_HEADER.size]
    if command not in {_SAMPLE, _NEW_GROUP, _DELETE_GROUP}:
        raise DecodeError("command", f"command {command} is unknown", _HEADER.size)
    return command == _SAMPLE


def read_group_change(message: bytes, row: int) -> GroupChange:
    """Read a message that tells of a group.

    Raises:
        DecodeError: it does not say of which.
    """
    for kind, begin, end in _attributes(message):
        if kind == _GROUP and end - begin == 4:
            (group,) = struct.unpack_from("=I", message, begin)
            return GroupChange(row, group, message[_HEADER.size] == _NEW_GROUP)
    raise DecodeError("missing-attribute", "no group", _BODY)


def _walk(message: bytes) -> tuple[list[_Field], list[tuple[int, int]], int]:
    """Give known fields, places and words of all headers, and where the packet begins."""
    fields: list[_Field] = []
    headers: list[tuple[int, int]] = []
    for kind, begin, end in _attributes(message):
        if kind == _DATA:
            return fields, headers, begin
        (word,) = struct.unpack_from("=I", message, begin - _ATTRIBUTE.size)
        headers.append((begin - _ATTRIBUTE.size, word))
        if kind in _FIELDS:
            name, widths = _FIELDS[kind]
            if end - begin not in widths:
                text = f"{name} has {end - begin} octets"
                raise DecodeError("attribute-length", text, begin)
            fields.append(_Field(name, begin, end - begin))
    raise DecodeError("missing-attribute", "no data", _BODY)


def _signature(
    headers: list[tuple[int, int]], data_header: int, family: int
) -> list[tuple[int, np.uint32, np.uint32]]:
    """Say by which words messages of one layout are known: place, value, and bits that count."""
    typed = _ATTRIBUTE.pack(family, 0), _ATTRIBUTE.pack(0xFFFF, 0)
    command = _GENERIC.pack(_SAMPLE, 0, 0), _GENERIC.pack(0xFF, 0, 0)
    data = _ATTRIBUTE.pack(0, _DATA), _ATTRIBUTE.pack(0, 0xFFFF)
    words = [(at, struct.pack("=I", word), b"\xff" * 4) for at, word in headers]
    words += [(4, *typed), (_HEADER.size, *command), (data_header, *data)]
    return [
        (at // 4, np.frombuffer(value, np.uint32)[0], np.frombuffer(mask, np.uint32)[0])
        for at, value, mask in words
    ]


def _attributes(message: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield type, begin and end of each attribute's value; the last may reach past the end."""
    at = _BODY
    while at + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        if length < _ATTRIBUTE.size:
            raise DecodeError("attribute-length", f"a length of {length} octets", at)
        if at + length > len(message) and kind & _TYPE_MASK != _DATA:
            raise DecodeError("attribute-length", "it ends outside of the message", at)
        yield kind & _TYPE_MASK, at + _ATTRIBUTE.size, at + length
        at += (length + 3) & ~3
