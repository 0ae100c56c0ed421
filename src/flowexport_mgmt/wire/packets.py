"""What the first octets of sampled packets say, as columns (IEEE 802.3, RFC 791, RFC 8200)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records.flows import U1, U2, U8, Addresses
from flowexport_mgmt.records.samples import (
    HEADER_ETHERNET,
    HEADER_IPV4,
    HEADER_IPV6,
    SampleBatch,
)
from flowexport_mgmt.wire.ragged import windows

Positions = NDArray[np.int64]

_IPV4, _IPV6 = 0x0800, 0x86DD
_TAGS: Final = (0x8100, 0x88A8, 0x9100)
_MOST_TAGS: Final = 2
_VLAN_ID: Final = 0xFFF

_TCP: Final = 6
_WITH_PORTS: Final = (6, 17, 33, 132, 136)  # TCP, UDP, DCCP, SCTP, UDP-Lite
_ICMP: Final = {4: 1, 6: 58}

_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _OPTIONS = 0, 43, 44, 51, 60
_MOST_EXTENSIONS: Final = 6


@dataclass(frozen=True, slots=True)
class PacketColumns:
    """IP packets of one version: what a flow is told by.

    All columns are parallel; ``rows`` are the packets' rows in their batch. Ports and TCP flags
    are 0 where the packet has none, or they were not among the octets. ``icmp`` is type * 256 +
    code, 0 in others. ``vlan`` is the outer tag in the octets, 0 for none; ``station`` the
    link-layer address that the packet was sent to, 0 where there is none.
    """

    version: Literal[4, 6]
    rows: Positions
    src: Addresses
    dst: Addresses
    protocol: U1
    tos: U1
    src_port: U2
    dst_port: U2
    tcp_flags: U1
    icmp: U2
    vlan: U2
    station: NDArray[np.uint64]
    octets: U8
    """Octets of the packet from its IP header on."""


class _Reader:
    """Reads numbers at many places; what lies outside of a packet's octets is 0."""

    def __init__(self, batch: SampleBatch, rows: Positions) -> None:
        self._buffer = np.ascontiguousarray(batch.buffer)
        self._ends = (batch.offsets + batch.lengths)[rows]

    def has(self, at: Positions, width: int, rows: Positions) -> NDArray[np.bool_]:
        """Tell where so many octets are."""
        inside: NDArray[np.bool_] = at + width <= self._ends[rows]
        return inside

    def octet(self, at: Positions, rows: Positions) -> NDArray[np.int64]:
        """Read one octet at each place."""
        return self._read(at, rows, 1, np.uint8)[:, 0].astype(np.int64)

    def short(self, at: Positions, rows: Positions) -> NDArray[np.int64]:
        """Read a number of 16 bits at each place."""
        return self._read(at, rows, 2, ">u2")[:, 0].astype(np.int64)

    def words(self, at: Positions, rows: Positions, width: int, kind: str) -> NDArray[np.uint64]:
        """Read numbers of type ``kind`` that are ``width`` octets long together."""
        return self._read(at, rows, width, kind).astype(np.uint64)

    def _read(
        self, at: Positions, rows: Positions, width: int, kind: str | type[np.uint8]
    ) -> NDArray[Any]:
        found = np.zeros(len(at), f"V{width}")
        inside = self.has(at, width, rows)
        found[inside] = windows(self._buffer, width)[at[inside]]
        return found.view(kind).reshape(len(at), width // np.dtype(kind).itemsize)


def dissect(batch: SampleBatch) -> Iterator[PacketColumns]:
    """Yield the IPv4 and the IPv6 packets of a batch, if there are any.

    Packets of other protocols are left out, and those whose IP header is not whole.
    """
    rows = np.arange(len(batch))
    reader = _Reader(batch, rows)
    at, kind, vlan = _find_network(batch, reader, rows)
    station = np.where(
        batch.header_protocol == HEADER_ETHERNET,
        reader.words(batch.offsets, rows, 8, ">u8")[:, 0] >> np.uint64(16),
        np.uint64(0),
    )
    versions: tuple[tuple[Literal[4, 6], int], ...] = ((4, _IPV4), (6, _IPV6))
    for version, ethertype in versions:
        chosen = np.flatnonzero(kind == ethertype)
        least = 20 if version == 4 else 40
        is_whole = reader.has(at[chosen], least, chosen)
        is_whole &= reader.octet(at[chosen], chosen) >> 4 == version
        chosen = chosen[is_whole]
        if len(chosen):
            read = _read_4 if version == 4 else _read_6
            frame = _Frame(vlan[chosen], station[chosen], _payload(batch, at, chosen))
            yield read(reader, chosen, at[chosen], frame)


class _Frame(NamedTuple):
    """What surrounds packets: tag, station, and the octets that the frame has for the packet."""

    vlan: U2
    station: NDArray[np.uint64]
    payload: NDArray[np.int64]


def _payload(batch: SampleBatch, at: Positions, rows: Positions) -> NDArray[np.int64]:
    payload = batch.frame_length[rows].astype(np.int64) - (at - batch.offsets)[rows]
    if batch.stripped is not None:
        payload -= batch.stripped[rows]
    return np.maximum(payload, 0)


def _find_network(
    batch: SampleBatch, reader: _Reader, rows: Positions
) -> tuple[Positions, NDArray[np.int64], U2]:
    """Find where the network header is, its ethertype and the outer VLAN."""
    at = batch.offsets.astype(np.int64)
    kind = np.zeros(len(rows), np.int64)
    kind[batch.header_protocol == HEADER_IPV4] = _IPV4
    kind[batch.header_protocol == HEADER_IPV6] = _IPV6
    vlan = np.zeros(len(rows), np.uint16)
    frames = np.flatnonzero(batch.header_protocol == HEADER_ETHERNET)
    kind[frames] = reader.short(at[frames] + 12, frames)
    at[frames] += 14
    for depth in range(_MOST_TAGS):
        frames = frames[np.isin(kind[frames], _TAGS)]
        if not len(frames):
            break
        if depth == 0:
            vlan[frames] = reader.short(at[frames], frames) & _VLAN_ID
        kind[frames] = reader.short(at[frames] + 2, frames)
        at[frames] += 4
    return at, kind, vlan


def _read_4(reader: _Reader, rows: Positions, at: Positions, frame: _Frame) -> PacketColumns:
    protocol = reader.octet(at + 9, rows)
    transport = at + (reader.octet(at, rows) & 0xF) * 4
    is_first = reader.short(at + 6, rows) & 0x1FFF == 0
    addresses = reader.words(at + 12, rows, 8, ">u4").astype(np.uint32)
    return _complete(
        4,
        reader,
        rows,
        np.where(is_first, transport, np.iinfo(np.int64).max - 64),
        addresses=(np.ascontiguousarray(addresses[:, 0]), np.ascontiguousarray(addresses[:, 1])),
        protocol=protocol,
        tos=reader.octet(at + 1, rows),
        length=reader.short(at + 2, rows),
        frame=frame,
    )


def _read_6(reader: _Reader, rows: Positions, at: Positions, frame: _Frame) -> PacketColumns:
    protocol, transport = _skip_extensions(reader, rows, reader.octet(at + 6, rows), at + 40)
    addresses = reader.words(at + 8, rows, 32, ">u8")
    payload = reader.short(at + 4, rows)
    return _complete(
        6,
        reader,
        rows,
        transport,
        addresses=(
            np.ascontiguousarray(addresses[:, :2]),
            np.ascontiguousarray(addresses[:, 2:]),
        ),
        protocol=protocol,
        tos=reader.short(at, rows) >> 4 & 0xFF,
        length=np.where(payload > 0, payload + 40, 0),
        frame=frame,
    )


def _skip_extensions(
    reader: _Reader, rows: Positions, following: NDArray[np.int64], at: Positions
) -> tuple[NDArray[np.int64], Positions]:
    """Find the upper-layer protocol and where it begins; far outside in later fragments."""
    for _ in range(_MOST_EXTENSIONS):
        plain = np.isin(following, (_HOP_BY_HOP, _ROUTING, _OPTIONS))
        fragment = following == _FRAGMENT
        sealed = following == _AUTHENTICATION
        here = np.flatnonzero((plain | fragment | sealed) & reader.has(at, 8, rows))
        if not len(here):
            break
        size = reader.octet(at[here] + 1, rows[here])
        octets = np.where(sealed[here], (size + 2) * 4, (size + 1) * 8)
        octets[fragment[here]] = 8
        is_later = fragment[here] & (reader.short(at[here] + 2, rows[here]) >> 3 != 0)
        following[here] = reader.octet(at[here], rows[here])
        at[here] = np.where(is_later, np.iinfo(np.int64).max - 64, at[here] + octets)
    return following, at


def _complete(
    version: Literal[4, 6],
    reader: _Reader,
    rows: Positions,
    transport: Positions,
    *,
    addresses: tuple[Addresses, Addresses],
    protocol: NDArray[np.int64],
    tos: NDArray[np.int64],
    length: NDArray[np.int64],
    frame: _Frame,
) -> PacketColumns:
    has_ports = np.isin(protocol, _WITH_PORTS)
    first = reader.short(transport, rows)
    second = reader.short(transport + 2, rows)
    flags = reader.octet(transport + 13, rows)
    return PacketColumns(
        version=version,
        rows=rows,
        src=addresses[0],
        dst=addresses[1],
        protocol=protocol.astype(np.uint8),
        tos=tos.astype(np.uint8),
        src_port=np.where(has_ports, first, 0).astype(np.uint16),
        dst_port=np.where(has_ports, second, 0).astype(np.uint16),
        tcp_flags=np.where(protocol == _TCP, flags, 0).astype(np.uint8),
        icmp=np.where(protocol == _ICMP[version], first, 0).astype(np.uint16),
        vlan=frame.vlan,
        station=frame.station,
        # Packets of more than 65535 octets, which the kernel has put together, say 0.
        octets=np.where(length > 0, length, frame.payload).astype(np.uint64),
    )
