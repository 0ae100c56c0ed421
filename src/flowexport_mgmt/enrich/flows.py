"""Flow records with what the routing tables know of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.fib_view import IS_ONWARD, FibView, Packets, Ways
from flowexport_mgmt.records import FlowBatch
from flowexport_mgmt.records.flows import Addresses


def enrich_flows(view: FibView, batch: FlowBatch) -> FlowBatch:
    """Fill in what is not known: interfaces, next hop and prefix lengths.

    A packet leaves by the route of its destination, after translation, and is taken to have come
    by the route of its source. Where it begins or ends on this host, interface and next hop stay
    0. Biflows get the next hop of the way back too, so that each direction is right.
    """
    end = batch.dst if batch.nat_dst is None else batch.nat_dst
    known_in = batch.in_if if batch.in_if.any() else None
    onward = view.find(batch.version, Packets(end, batch.src, known_in))
    back = view.find(batch.version, Packets(batch.src, end))
    changes: dict[str, Any] = {
        "in_if": _fill(batch.in_if, _interfaces(view, back)),
        "out_if": _fill(batch.out_if, _interfaces(view, onward)),
        "src_mask": _fill(batch.src_mask, back.lengths),
        "dst_mask": _fill(batch.dst_mask, _destination_lengths(view, batch, end, onward)),
        "next_hop": _fill(batch.next_hop, _gateways(view, batch.version, onward)),
    }
    if batch.is_biflow:
        gateways = _gateways(view, batch.version, back)
        changes["reverse_next_hop"] = _fill(batch.reverse_next_hop, gateways)
    return dataclasses.replace(batch, **changes)


def _fill(known: NDArray[Any] | None, found: NDArray[Any]) -> NDArray[Any]:
    """Put what was found where there is 0."""
    return found if known is None else np.where(known == 0, found, known)


def _interfaces(view: FibView, ways: Ways) -> NDArray[np.uint32]:
    is_onward = IS_ONWARD[view.paths.kind[ways.path]]
    return np.where(is_onward, view.paths.ifindex[ways.slot], np.uint32(0))


def _gateways(view: FibView, version: int, ways: Ways) -> Addresses:
    is_onward = IS_ONWARD[view.paths.kind[ways.path]]
    if version == 4:
        return np.where(is_onward, view.paths.gateway4[ways.slot], np.uint32(0))
    return np.where(is_onward[:, None], view.paths.gateway6[ways.slot], np.uint64(0))


def _destination_lengths(
    view: FibView, batch: FlowBatch, end: Addresses, onward: Ways
) -> NDArray[np.uint8]:
    """Give the prefix lengths of the addresses that the records name as destinations."""
    differs = batch.dst != end
    rows = np.flatnonzero(differs if differs.ndim == 1 else differs.any(axis=1))
    if not len(rows):
        return onward.lengths
    lengths = onward.lengths.copy()
    lengths[rows] = view.find(batch.version, Packets(batch.dst[rows], batch.src[rows])).lengths
    return lengths
