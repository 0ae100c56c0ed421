"""UPDATEs of a made-up table: prefixes as long as those of the Internet, four to a message.

The prefix at position N in its family has the path and the community of its message, which
are those of no other message; its origin AS follows from the number of the message.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.prefixes import Version
from flowexport_mgmt.wire import bgp

PER_MESSAGE: Final = 4
NEXT_HOP: Final = b"\x40\x03\x04\xc0\0\x02\x01"
"""The attribute of IPv4 routes, which is nowhere else in a message but by chance."""
END_OF_RIB: Final[dict[Version, bytes]] = {
    4: bgp.encode(bgp.MessageType.UPDATE, bytes(4)),
    6: bgp.encode(bgp.MessageType.UPDATE, b"\0\0\0\x06\x80\x0f\x03\0\x02\x01"),
}

_LENGTHS: Final = {
    4: {24: 60, 23: 9, 22: 11, 21: 5, 20: 5, 19: 3, 18: 2, 17: 1, 16: 3, 32: 1},
    6: {48: 46, 44: 10, 40: 10, 36: 6, 32: 21, 29: 5, 64: 2},
}
"""Prefixes of a hundred by length."""
_BITS: Final = {4: 32, 6: 64}
_RANGES: Final = {4: (1 << 24, 224 << 24), 6: (0x2000 << 48, 0x3000 << 48)}
_SEARCHED: Final = {version: sorted(known, reverse=True) for version, known in _LENGTHS.items()}
_HOP6: Final = bytes.fromhex("20010db8" + "00" * 11 + "01")


_CHANGING: Final = 1 << 3
"""Prefixes change whose first octet has this bit."""

Key = tuple[int, int]
Known = dict[Version, dict[Key, int]]
"""The number of the message that told of each prefix last."""


@dataclass(frozen=True, slots=True)
class Table:
    """Prefixes of one family, of which half may change."""

    version: Version
    addresses: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @classmethod
    def make(cls, version: Version, size: int) -> Self:
        """Make so many prefixes up."""
        return cls(version, *make_prefixes(version, size))

    @property
    def is_changing(self) -> NDArray[np.bool_]:
        """Tell which prefixes change."""
        first = self.addresses >> (24 if self.version == 4 else 56)
        return np.asarray(first & _CHANGING != 0)

    def tell(self) -> Iterator[bytes]:
        """Make the UPDATEs that tell of all prefixes."""
        yield from make_messages(self.version, self.addresses, self.lengths)

    def number_all(self) -> dict[Key, int]:
        """Give the number of the message that tells of each prefix."""
        keys = zip(self.addresses.tolist(), self.lengths.tolist(), strict=True)
        return {key: row // PER_MESSAGE for row, key in enumerate(keys)}

    def choose_changing(self, random: np.random.Generator, count: int) -> NDArray[np.int64]:
        """Choose rows of prefixes that change."""
        return random.choice(np.flatnonzero(self.is_changing), count)

    def choose_addresses(
        self, random: np.random.Generator, count: int, *, changing: bool
    ) -> list[int]:
        """Choose addresses in prefixes that change, or in such as nothing changes in."""
        rows = random.choice(np.flatnonzero(self.is_changing == changing), count)
        found: list[int] = (self.addresses[rows] | random.integers(0, 256, count)).tolist()
        return found


def search(known: dict[Key, int], version: Version, address: int) -> Key:
    """Find the length and the origin AS of the longest prefix of an address; 0 for none."""
    for length in _SEARCHED[version]:
        rest = _BITS[version] - length
        number = known.get((address >> rest << rest, length))
        if number is not None:
            return length, origin_of(number)
    return 0, 0


def make_prefixes(version: Version, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Make distinct prefixes in no order: addresses (of IPv6 the first 64 bits), and lengths."""
    random = np.random.default_rng(size)
    bits, weights = _BITS[version], np.array(list(_LENGTHS[version].values()))
    lengths = random.choice(list(_LENGTHS[version]), 2 * size, p=weights / weights.sum())
    addresses = random.integers(*_RANGES[version], 2 * size) >> bits - lengths << bits - lengths
    pairs = np.unique(np.stack((addresses, lengths), axis=1), axis=0)
    chosen = random.permutation(len(pairs))[:size]
    return pairs[chosen, 0], pairs[chosen, 1]


def origin_of(number: int) -> int:
    """Give the origin AS of the routes of a message."""
    return 100_000 + number % 60_000


def make_message(version: Version, number: int, addresses: list[int], lengths: list[int]) -> bytes:
    """Make an UPDATE that announces prefixes."""
    path = bytes([2, 3]) + struct.pack("!3I", 65002, 64500 + number % 400, origin_of(number))
    attributes = b"\x40\x01\x01\0\x40\x02" + bytes([len(path)]) + path
    if version == 4:
        attributes += NEXT_HOP
    attributes += b"\x40\x05\x04\0\0\0\x64\xc0\x08\x04\xfd\xea" + (
        number // 60_000 + number % 1000
    ).to_bytes(2)
    routes = _encode(version, addresses, lengths)
    if version == 4:
        return _update(attributes, routes)
    reach = b"\0\x02\x01\x10" + _HOP6 + b"\0" + routes
    return _update(attributes + b"\x90\x0e" + len(reach).to_bytes(2) + reach)


def make_withdrawal(version: Version, addresses: list[int], lengths: list[int]) -> bytes:
    """Make an UPDATE that withdraws prefixes."""
    routes = _encode(version, addresses, lengths)
    if version == 4:
        return _update(b"", withdrawn=routes)
    unreach = b"\0\x02\x01" + routes
    return _update(b"\x90\x0f" + len(unreach).to_bytes(2) + unreach)


def make_messages(
    version: Version, addresses: NDArray[np.int64], lengths: NDArray[np.int64]
) -> Iterator[bytes]:
    """Make the UPDATEs of a table."""
    for first in range(0, len(addresses), PER_MESSAGE):
        rows = slice(first, first + PER_MESSAGE)
        told = addresses[rows].tolist(), lengths[rows].tolist()
        yield make_message(version, first // PER_MESSAGE, *told)


def _encode(version: Version, addresses: list[int], lengths: list[int]) -> bytes:
    width = _BITS[version] // 8
    return b"".join(
        bytes([length]) + address.to_bytes(width)[: (length + 7) // 8]
        for address, length in zip(addresses, lengths, strict=True)
    )


def _update(attributes: bytes, routes: bytes = b"", withdrawn: bytes = b"") -> bytes:
    body = len(withdrawn).to_bytes(2) + withdrawn + len(attributes).to_bytes(2) + attributes
    return bgp.encode(bgp.MessageType.UPDATE, body + routes)
