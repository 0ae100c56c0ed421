"""Where the attributes of a message stand.

The kernel writes the attributes of every sample that it takes in one place in the same order, so
one message that was taken apart tells where to find everything in the others.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.ragged import Octets, Positions

U4 = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Samples:
    """What samples say, as columns of N rows.

    Ports are the low 16 bits of the ifIndex, 0 where there is none; ``size`` has the octets of the
    packet, ``sequence`` the samples of the group before this one, modulo 2^32, ``time_ns`` Unix
    time and ``protocol`` the EtherType, 0 when the kernel does not tell. Egress queue, octets in it
    and nanoseconds inside of the device are None where no device told of any packet, UNKNOWN where
    none did of this one. ``octets[at[i] : at[i] + length[i]]`` are the first ones of packet ``i``;
    they are copies.
    """

    in_if: U4
    out_if: U4
    rate: U4
    size: U4
    group: U4
    sequence: U4
    time_ns: NDArray[np.uint64]
    protocol: NDArray[np.uint16]
    octets: Octets
    at: Positions
    length: Positions
    queue: U4 | None = None
    depth: U4 | None = None
    latency: U4 | None = None

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.rate)

    def select(self, rows: slice | NDArray[np.intp]) -> Samples:
        """Take some of the samples; they keep the same octets."""
        chosen: dict[str, Any] = {
            name: column[rows] for name in COLUMNS if (column := getattr(self, name)) is not None
        }
        return replace(self, **chosen)


COLUMNS: Final = tuple(item.name for item in fields(Samples) if item.name != "octets")
"""The columns of samples, by name."""

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
_TYPES: Final = {"time_ns": np.uint64, "protocol": np.uint16}  # of columns that are not uint32
_ALWAYS: Final = ("in_if", "out_if", "time_ns", "protocol")  # columns that are 0 where not told


class GroupChange(NamedTuple):
    """A group came into being or went; its sequence starts from zero with the next one.

    ``row`` is the position of the message among those that were parsed with it.
    """

    row: int
    group: int
    is_new: bool


Frames = NDArray[np.uint8]


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
        self.size = data_at
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

    def match(self, frames: Frames, lengths: Positions) -> NDArray[np.bool_]:
        """Tell which messages have their attributes in the same places, and are whole.

        Args:
            frames: shape (N, width), uint8, contiguous, a width of whole words: messages, each with
                whatever stands behind it.
            lengths: shape (N,), the octets that each message has.
        """
        if frames.shape[1] < self.size:
            return np.zeros(len(frames), np.bool_)
        head = self._heads(frames)
        data = head["data_length"].astype(np.int64) - _ATTRIBUTE.size
        matches: NDArray[np.bool_] = lengths >= self.size
        matches &= data >= 0
        matches &= head["length"] >= data + self.size
        matches &= self._differences(frames) == 0
        return matches

    def read(self, frames: Frames, lengths: Positions, rows: Positions, octets: Octets) -> Samples:
        """Read messages that match.

        Of a packet whose end was cut off with that of the message, what is there remains.

        Args:
            frames: as in `match`.
            lengths: as in `match`.
            rows: shape (N,), where each frame is among those in ``octets``.
            octets: frames of the same width, one after the other.
        """
        head = self._heads(frames)
        columns: dict[str, Any] = {name: _column(name, head[name]) for name in self._columns}
        for name in _ALWAYS:
            if name not in columns:
                columns[name] = np.zeros(len(frames), _TYPES.get(name, np.uint32))
        data = head["data_length"].astype(np.int64) - _ATTRIBUTE.size
        return Samples(
            **columns,
            octets=octets,
            at=rows * frames.shape[1] + self.size,
            length=np.minimum(data, lengths - self.size),
        )

    def _heads(self, frames: Frames) -> NDArray[np.void]:
        return np.ndarray(len(frames), self._head, frames.data, strides=frames.shape[1:])

    def _differences(self, frames: Frames) -> U4:
        """Collect the bits in which messages differ from what is known, word by word."""
        words = frames.view(np.uint32).T
        differences = np.zeros(len(frames), np.uint32)
        differing = np.empty(len(frames), np.uint32)
        for place, value, mask in self._signature:
            np.bitwise_xor(words[place], value, out=differing)
            if mask is not None:
                differing &= mask
            differences |= differing
        return differences


def _column(name: str, values: NDArray[Any]) -> NDArray[Any]:
    if name in _SATURATED:
        values = np.minimum(values, UNKNOWN)
    return values.astype(_TYPES.get(name, np.uint32))


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
) -> list[tuple[int, np.uint32, np.uint32 | None]]:
    """Say by which words messages of one layout are known: place, value, and bits that count.

    None where all bits count.
    """
    typed = _ATTRIBUTE.pack(family, 0), _ATTRIBUTE.pack(0xFFFF, 0)
    command = _GENERIC.pack(_SAMPLE, 0, 0), _GENERIC.pack(0xFF, 0, 0)
    data = _ATTRIBUTE.pack(0, _DATA), _ATTRIBUTE.pack(0, 0xFFFF)
    partly = [(4, *typed), (_HEADER.size, *command), (data_header, *data)]
    return [
        *((at // 4, np.uint32(word), None) for at, word in headers),
        *((at // 4, _word(value), _word(mask)) for at, value, mask in partly),
    ]


def _word(octets: bytes) -> np.uint32:
    word: np.uint32 = np.frombuffer(octets, np.uint32)[0]
    return word


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
