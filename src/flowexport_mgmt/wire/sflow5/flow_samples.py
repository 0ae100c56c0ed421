"""Flow samples of sFlow v5: sampled packets with what was found out about them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.records import UNKNOWN32, Datagrams
from flowexport_mgmt.records.samples import HEADER_ETHERNET, SampleBatch
from flowexport_mgmt.wire import ragged
from flowexport_mgmt.wire.ragged import Octets, Positions
from flowexport_mgmt.wire.sflow5.headers import header_size, make_headers
from flowexport_mgmt.wire.sflow5.routes import RouteRecords

FLOW_SAMPLE_EXPANDED: Final = 3
RAW_HEADER: Final = 1
EXTENDED_SWITCH: Final = 1001

_FCS: Final = 4  # octets of the frame check sequence, which is counted and stripped
_LEAST_HEADER: Final = 64  # octets of a packet that are sent at least, if it has them
_MAX_DATAGRAM: Final = 0xFFFF


def _words(*names: str) -> np.dtype[np.void]:
    dtype: np.dtype[np.void] = np.dtype([(name, ">u4") for name in names])
    return dtype


HEAD: Final = _words(
    "format",
    "length",
    "sequence",
    "source_type",  # 0, ifIndex
    "source",
    "rate",
    "pool",
    "drops",
    "input_format",  # 0, ifIndex
    "in_if",
    "output_format",
    "out_if",
    "records",
    "record_format",
    "record_length",
    "header_protocol",
    "frame_length",
    "stripped",
    "header_length",
)
"""A sample as far as the packet's first octets, which the raw header record ends with."""

CONSTANTS: Final = {"format": FLOW_SAMPLE_EXPANDED, "record_format": RAW_HEADER}
"""What stands in each head."""

_SLICE: Final = 2048  # heads that stay in the processor's cache while they are filled
RAW_HEADER_FIELDS: Final = 16  # octets of the raw header record before the packet's own
_COPIED: Final = ("source", "rate", "pool", "drops", "in_if", "out_if", "header_protocol")

_SWITCH: Final = _words("format", "length", "src_vlan", "src_priority", "dst_vlan", "dst_priority")

_DEVICE: Final = {"egress_queue": 1036, "transit_delay": 1039, "queue_depth": 1040}
"""Formats of the records of one word that devices tell of; tools that are old know none of them."""

_WORD: Final = _words("format", "length", "value")

_NO_ROUTES: Final = RouteRecords((), 0, 0)

Each = Positions | int
"""A number for each packet, or one for all of them."""


def encode_flow_samples(
    batch: SampleBatch,
    sequences: NDArray[np.uint32],
    *,
    agent: IPv4Address | IPv6Address,
    sub_agent_id: int,
    sequence: int,
    uptime_ms: int,
    max_size: int,
) -> Datagrams:
    """Encode one expanded flow sample per packet, as many to a datagram as fit.

    A sample holds the raw header, then an extended switch record when the packet has a VLAN, then
    router and gateway records when it has a route, then what the device told of it. Where a
    datagram has no room for all of it, a route's communities, then its gateway record are left out
    and the packet's octets are cut.

    Args:
        batch: the packets.
        sequences: shape (N,), the sequence number of each packet's sample in its source.
        agent: the agent address.
        sub_agent_id: tells agents that share an address apart.
        sequence: the sequence number of the first datagram; each datagram advances it by one.
        uptime_ms: milliseconds since boot, sent modulo 2^32.
        max_size: octets of the largest datagram.

    Raises:
        EncodeError: a datagram has no room for a sample of 64 octets of a packet.
    """
    head = header_size(agent)
    room = (min(max_size, _MAX_DATAGRAM) & ~3) - head
    plan = _Plan(batch, room)
    counts = ragged.page(plan.sizes, room)
    ends = np.cumsum(plan.sizes)
    samples_before = np.cumsum(counts)
    page_ends = ends[samples_before - 1] + head * np.arange(1, len(counts) + 1)
    buffer = np.zeros(int(page_ends[-1]) if len(counts) else 0, np.uint8)
    headers = make_headers(
        counts,
        agent=agent,
        sub_agent_id=sub_agent_id,
        sequence=sequence,
        uptime_ms=uptime_ms,
    )
    _put(buffer, np.concatenate(([0], page_ends))[:-1], headers)
    to = ends - plan.sizes + head * np.repeat(np.arange(1, len(counts) + 1), counts)
    _write(buffer, to, batch, sequences, plan)
    return Datagrams(
        buffer.data.toreadonly(),
        (0, *page_ends.tolist()),
        tuple(counts.tolist()),
        (0,) * len(counts),
    )


class _Plan:
    """What each sample holds and how long it is.

    Arrays have one entry per packet. What is the same for all packets is a number, so that a batch
    of which nothing more is known than the packets themselves costs nothing more.
    """

    def __init__(self, batch: SampleBatch, room: int) -> None:
        self.device = _told(batch)
        limit = room - HEAD.itemsize - _SWITCH.itemsize - _LEAST_HEADER
        limit -= len(self.device) * _WORD.itemsize
        if limit < 0:
            raise EncodeError(f"a sample of {_LEAST_HEADER} octets does not fit {room} octets")
        self.route = batch.route
        self.routes = _NO_ROUTES
        if batch.routes:
            self.routes = RouteRecords(batch.routes, batch.own_as, limit)
        self.has_switch = _has_switch(batch)
        self._lay_out(batch.lengths, room - HEAD.itemsize)

    def _lay_out(self, lengths: Positions, room: int) -> None:
        """Find the place of each record; ``room`` is what is left behind a sample's head."""
        switched: Each = 0 if self.has_switch is None else self.has_switch.astype(np.int64)
        routed: Each = 0 if self.route is None else self.routes.sizes[self.route]
        records: Each = 0 if self.route is None else self.routes.counts[self.route]
        told: Each = sum(known.astype(np.int64) for _, _, known in self.device)
        switch, further = switched * _SWITCH.itemsize, told * _WORD.itemsize
        self.records: Each = 1 + switched + records + told
        self.header_lengths = np.minimum(lengths, room - (switch + routed + further))
        self.padded = (self.header_lengths + 3) & ~3
        self.switch_at = self.padded + HEAD.itemsize
        self.route_at = self.switch_at + switch
        self.device_at = self.route_at + routed
        self.sizes = self.device_at + further


def _has_switch(batch: SampleBatch) -> NDArray[np.bool_] | None:
    """Tell which packets have a VLAN; None when none has."""
    vlans = [vlan > 0 for vlan in (batch.src_vlan, batch.dst_vlan) if vlan is not None]
    tagged = np.logical_or.reduce(vlans) if vlans else None
    return tagged if tagged is not None and tagged.any() else None


def _told(batch: SampleBatch) -> list[tuple[int, NDArray[np.uint32], NDArray[np.bool_]]]:
    """List what devices told: the format, the values, and which packets have one."""
    columns = ((format_, getattr(batch, name)) for name, format_ in _DEVICE.items())
    return [(kind, values, values != UNKNOWN32) for kind, values in columns if values is not None]


def _write(
    buffer: Octets, to: Positions, batch: SampleBatch, sequences: NDArray[np.uint32], plan: _Plan
) -> None:
    """Write each sample to its place; what fills the last word of a packet is 0 already."""
    columns = _columns(batch, sequences, plan)
    heads = np.zeros(min(len(batch), _SLICE), HEAD)
    for name, constant in CONSTANTS.items():
        heads[name] = constant
    for begin in range(0, len(batch), _SLICE):
        part = slice(begin, begin + _SLICE)
        rows = heads[: len(batch) - begin]
        for name, values in columns.items():
            rows[name] = values if isinstance(values, int) else values[part]
        _put(buffer, to[part], rows)
    octets = np.ascontiguousarray(batch.buffer)
    ragged.copy(buffer, to + HEAD.itemsize, octets, batch.offsets, plan.header_lengths)
    if plan.has_switch is not None:
        _write_switch(buffer, to + plan.switch_at, batch, plan.has_switch)
    if plan.route is not None:
        _write_routes(buffer, to + plan.route_at, batch, plan.routes, plan.route)
    if plan.device:
        _write_device(buffer, to + plan.device_at, plan)


def _columns(
    batch: SampleBatch, sequences: NDArray[np.uint32], plan: _Plan
) -> dict[str, NDArray[Any] | int]:
    fcs = (batch.header_protocol == HEADER_ETHERNET) * np.uint32(_FCS)
    return {
        **{name: getattr(batch, name) for name in _COPIED},
        "length": plan.sizes - 8,
        "sequence": sequences,
        "records": plan.records,
        "record_length": plan.padded + RAW_HEADER_FIELDS,
        "frame_length": batch.frame_length + fcs,
        "stripped": fcs if batch.stripped is None else batch.stripped + fcs,
        "header_length": plan.header_lengths,
    }


def _write_switch(
    buffer: Octets, to: Positions, batch: SampleBatch, chosen: NDArray[np.bool_]
) -> None:
    records = np.zeros(int(chosen.sum()), _SWITCH)
    records["format"] = EXTENDED_SWITCH
    records["length"] = _SWITCH.itemsize - 8
    for name in ("src_vlan", "src_priority", "dst_vlan", "dst_priority"):
        values = getattr(batch, name)
        if values is not None:
            records[name] = values[chosen]
    _put(buffer, to[chosen], records)


def _write_routes(
    buffer: Octets, to: Positions, batch: SampleBatch, routes: RouteRecords, route: Positions
) -> None:
    ragged.copy(buffer, to, routes.octets, routes.at[route], routes.sizes[route])
    words = buffer.view(">u4")  # datagrams and all that is in them are whole words
    for values, positions, further in (
        (batch.src_mask, routes.src_mask, 0),
        (batch.src_as, routes.src_as, 0),
        (batch.src_peer_as, routes.src_as, 4),
    ):
        if values is not None:
            chosen = positions[route] >= 0
            words[(to + positions[route] + further)[chosen] >> 2] = values[chosen]


def _write_device(buffer: Octets, to: Positions, plan: _Plan) -> None:
    for kind, values, known in plan.device:
        records = np.zeros(int(known.sum()), _WORD)
        records["format"], records["length"] = kind, _WORD.itemsize - 8
        records["value"] = values[known]
        _put(buffer, to[known], records)
        to = to + known * _WORD.itemsize


def _put(buffer: Octets, to: Positions, rows: NDArray[np.void]) -> None:
    """Put each row to its position."""
    width = rows.dtype.itemsize
    ragged.windows(buffer, width)[to] = rows.view(f"V{width}")
