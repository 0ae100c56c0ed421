"""Flow records and sampled packets with what BGP knows of their addresses."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.fib_view import FibView
from flowexport_mgmt.enrich.rib import RibTables, Routes
from flowexport_mgmt.enrich.samples import is_routed
from flowexport_mgmt.records import FlowBatch, Route, SampleBatch
from flowexport_mgmt.wire.packets import dissect

NO_ROUTE = Route()


def add_to_flows(tables: RibTables, batch: FlowBatch) -> FlowBatch:
    """Put in what the best routes say: AS numbers, adjacent AS, next hops and prefix lengths.

    Where BGP has a route it counts before the kernel's. Hops are those of the translated
    destination, AS numbers and prefix lengths those of the addresses that the record names.
    """
    translated = batch.nat_dst
    source = tables.find(batch.version, batch.src)
    named = tables.find(batch.version, batch.dst)
    onward = named if translated is None else tables.find(batch.version, translated)
    next_hops = onward.next_hops_of(batch.version)
    changes: dict[str, Any] = {
        "src_mask": _override(batch.src_mask, source, source.lengths),
        "dst_mask": _override(batch.dst_mask, named, named.lengths),
        "src_as": source.origin_as,
        "dst_as": named.origin_as,
        "prev_as": source.neighbour_as,
        "next_as": named.neighbour_as,
        "bgp_next_hop": next_hops,
        "next_hop": _override(batch.next_hop, onward, next_hops),
    }
    if batch.is_biflow:
        back = source.next_hops_of(batch.version)
        changes["reverse_bgp_next_hop"] = back
        changes["reverse_next_hop"] = _override(batch.reverse_next_hop, source, back)
    return dataclasses.replace(batch, **changes)


def add_to_samples(tables: RibTables, batch: SampleBatch, fib: FibView | None) -> SampleBatch:
    """Put in what the best routes say: the route to the destination, the source's AS and mask.

    Packets that are not IP stay as they are, and where the kernel's interfaces are known those
    that are bridged.
    """
    count = len(batch)
    route = np.full(count, -1, np.int64) if batch.route is None else batch.route.copy()
    src_mask = np.zeros(count, np.uint32) if batch.src_mask is None else batch.src_mask.copy()
    src_as, src_peer_as = np.zeros(count, np.uint32), np.zeros(count, np.uint32)
    routes = list(batch.routes)
    for packets in dissect(batch):
        chosen = slice(None) if fib is None else np.flatnonzero(is_routed(fib, batch, packets))
        rows = packets.rows[chosen]
        back = tables.find(packets.version, packets.src[chosen])
        src_mask[rows[back.found]] = back.lengths[back.found]
        src_as[rows], src_peer_as[rows] = back.origin_as, back.neighbour_as
        onward = tables.find(packets.version, packets.dst[chosen])
        known = np.flatnonzero(onward.found)
        route[rows[known]] = _number_routes(tables, onward, known, routes)
    return dataclasses.replace(
        batch,
        route=route,
        routes=tuple(routes),
        src_mask=src_mask,
        src_as=src_as,
        src_peer_as=src_peer_as,
        own_as=tables.own_as,
    )


def _override(known: NDArray[Any] | None, routes: Routes, told: NDArray[Any]) -> NDArray[Any]:
    """Put what was told where there is a route that tells it."""
    if known is None:
        return told
    is_told = told != 0 if told.ndim == 1 else told.any(axis=1, keepdims=True)
    is_found = routes.found if told.ndim == 1 else routes.found[:, None]
    return np.where(is_found & is_told, told, known)


def _number_routes(
    tables: RibTables, onward: Routes, known: NDArray[np.intp], routes: list[Route]
) -> NDArray[np.int64]:
    """Add the distinct routes of packets to ``routes``; give the position of each packet's."""
    keys = onward.rows[known].astype(np.int64) << 8 | onward.lengths[known]
    distinct, first, which = np.unique(keys, return_index=True, return_inverse=True)
    begin = len(routes)
    places = known[first]
    hops = onward.next_hops[places]
    versions = onward.versions[places].tolist()
    octets = hops.astype(">u8").tobytes()
    for number, (key, version) in enumerate(zip(distinct.tolist(), versions, strict=True)):
        hop = octets[16 * number : 16 * number + 16]
        routes.append(_make_route(tables, key, hop if version == 6 else hop[12:]))
    positions: NDArray[np.int64] = begin + which.astype(np.int64)
    return positions


def _make_route(tables: RibTables, key: int, next_hop: bytes) -> Route:
    row = key >> 8
    text = tables.describe(row)
    return Route(
        next_hop=next_hop,
        dst_mask=key & 0xFF,
        gateway=True,
        bgp_next_hop=next_hop,
        as_path=text.path,
        communities=text.communities,
        local_pref=tables.local_pref(row),
    )
