"""Sampled packets with what the routing tables know of them."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.fib_view import IS_LOCAL, IS_ONWARD, FibView, Packets, Ways
from flowexport_mgmt.records import Route, SampleBatch
from flowexport_mgmt.records.samples import LOCAL_INTERFACE
from flowexport_mgmt.wire.packets import PacketColumns, dissect

_GROUP_ADDRESS = np.uint64(1 << 40)  # the bit of link-layer addresses of groups
_EGRESS = 1


def enrich_samples(view: FibView, batch: SampleBatch) -> SampleBatch:
    """Fill in what is not known: interfaces, the route to the destination, the source's prefix.

    Packets that are not IP, and frames for another station than this host, which are bridged and
    not routed, stay as they are.
    """
    in_if, out_if = batch.in_if.copy(), batch.out_if.copy()
    route = np.full(len(batch), -1, np.int64)
    src_mask = np.zeros(len(batch), np.uint32)
    routes: list[Route] = []
    for packets in dissect(batch):
        chosen = np.flatnonzero(is_routed(view, batch, packets))
        rows = packets.rows[chosen]
        src, dst = packets.src[chosen], packets.dst[chosen]
        onward = view.find(packets.version, Packets(dst, src, _vrf_interfaces(batch, rows)))
        back = view.find(packets.version, Packets(src, dst, _vrf_interfaces(batch, rows)))
        _fill(in_if, rows, _interfaces(view, back))
        _fill(out_if, rows, _interfaces(view, onward))
        src_mask[rows] = back.lengths
        route[rows] = _number_routes(view, packets.version, onward, routes)
    return dataclasses.replace(
        batch, in_if=in_if, out_if=out_if, route=route, routes=tuple(routes), src_mask=src_mask
    )


def is_routed(view: FibView, batch: SampleBatch, packets: PacketColumns) -> NDArray[np.bool_]:
    """Tell which packets this host routes or takes: on the way in, those sent to its stations."""
    station = packets.station
    is_for_other = (station != 0) & (station & _GROUP_ADDRESS == 0)
    is_for_other &= ~np.isin(station, view.stations)
    if batch.direction is not None:
        is_for_other &= batch.direction[packets.rows] != _EGRESS
    return np.asarray(~is_for_other)


def _vrf_interfaces(batch: SampleBatch, rows: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Give the interface that tells the VRF: the one that the packet was sampled on."""
    return batch.source[rows]


def _fill(known: NDArray[np.uint32], rows: NDArray[np.int64], found: NDArray[np.uint32]) -> None:
    unknown = known[rows] == 0
    known[rows[unknown]] = found[unknown]


def _interfaces(view: FibView, ways: Ways) -> NDArray[np.uint32]:
    kind = view.paths.kind[ways.path]
    onward = np.where(IS_ONWARD[kind], view.paths.ifindex[ways.slot], np.uint32(0))
    return np.where(IS_LOCAL[kind], np.uint32(LOCAL_INTERFACE), onward)


def _number_routes(
    view: FibView, version: int, ways: Ways, routes: list[Route]
) -> NDArray[np.int64]:
    """Add the distinct routes of packets to ``routes``; give the position of each packet's."""
    kind = view.paths.kind[ways.path]
    keys = ways.slot << 9 | IS_ONWARD[kind].astype(np.int64) << 8 | ways.lengths
    found, which = np.unique(keys, return_inverse=True)
    begin = len(routes)
    for key in found.tolist():
        gateway = view.paths.gateways[key >> 9] if key & 0x100 else b""
        routes.append(Route(gateway or bytes(4 if version == 4 else 16), key & 0xFF))
    return np.where(IS_ONWARD[kind] | IS_LOCAL[kind], begin + which, -1)
