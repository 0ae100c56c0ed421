"""Several datagrams as one input of a fuzzer, and what has to hold of whatever is decoded."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from tests.support.vectors import read_vectors

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.messages import Message

NOW_NS: Final = 1_800_000_000_123_456_789
SOURCE: Final = ("192.0.2.7", 40_000)

_LENGTH: Final = struct.Struct(">H")
_MAX_DATAGRAMS: Final = 64
_MAX_FAULTS: Final = 65
_VALUES_PER_OCTET: Final = 24
_MOST_VALUES: Final = 5_000  # of an input that is next to nothing


def join(datagrams: Iterable[bytes]) -> bytes:
    """Make one input of datagrams."""
    return b"".join(_LENGTH.pack(len(data)) + data for data in datagrams)


def split(data: bytes) -> Iterator[bytes]:
    """Take an input apart; the last datagram may be shorter than it says."""
    at = 0
    for _ in range(_MAX_DATAGRAMS):
        if len(data) - at < _LENGTH.size:
            return
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        yield data[at : at + length]
        at += length


def seeds(*protocols: str) -> Iterator[bytes]:
    """Give the vectors whose names have one of some words in them, each as one input."""
    for name, vector in read_vectors().items():
        if not protocols or any(protocol in name for protocol in protocols):
            yield join(vector.datagrams)


def check(message: Message, size: int) -> None:
    """Hold a message of ``size`` octets to what is promised: its own errors, and bounded."""
    assert all(isinstance(fault, DecodeError) for fault in message.faults)
    assert len(message.faults) <= _MAX_FAULTS
    values = sum(1 + len(record.fields) for record in message.records)
    assert values <= _VALUES_PER_OCTET * size + _MOST_VALUES, f"{values} values of {size} octets"
