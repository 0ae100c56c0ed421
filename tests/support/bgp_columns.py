"""Routes of UPDATEs as rows, the same for those that were decoded together and one by one."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from flowexport_mgmt.wire import bgp
from flowexport_mgmt.wire.bgp.attributes import (
    COMMUNITIES,
    EXTENDED_COMMUNITIES,
    LARGE_COMMUNITIES,
)

Rows = list[tuple[Any, ...]]
"""Family, address, length, path identifier, and what is said of the route: None when it is gone."""


def list_routes(update: bgp.Update | bgp.UpdateColumns) -> Rows:
    """List routes, those of IPv4 first; then faults, and the end of a table."""
    if isinstance(update, bgp.UpdateColumns):
        return list_columns(update)
    return list_update(update)


def list_update(update: bgp.Update) -> Rows:
    told: Rows = []
    for routes in update.withdrawn:
        told += [(routes.version, *route, None) for route in _rows(routes)]
    for routes in update.announced:
        assert update.attributes is not None
        said = _said(update.attributes, routes.next_hop)
        told += [(routes.version, *route, said) for route in _rows(routes)]
    told += [("fault", str(fault)) for fault in update.faults]
    if update.end_of_rib is not None:
        told.append(("end", update.end_of_rib))
    return sorted(told, key=lambda row: row[0] == 6 or row[0] in {"fault", "end"})


def _rows(routes: bgp.Routes) -> Iterator[tuple[int, int, int]]:
    return zip(routes.addresses, routes.lengths, routes.paths, strict=True)


def _said(attributes: bgp.Attributes, next_hop: bytes) -> tuple[Any, ...]:
    return (
        (attributes.origin, attributes.med, attributes.local_pref),
        (attributes.originator, attributes.clusters, int.from_bytes(next_hop)),
        attributes.as_path,
        attributes.communities,
        attributes.extended,
        attributes.large,
    )


def list_columns(update: bgp.UpdateColumns) -> Rows:
    sets = update.sets
    paths = _split(sets.paths)
    communities = _split(sets.pieces(COMMUNITIES))
    extended = _split(sets.pieces(EXTENDED_COMMUNITIES))
    large = _split(sets.pieces(LARGE_COMMUNITIES))
    said: list[tuple[Any, ...] | None] = [
        (
            (int(sets.origins[row]), int(sets.meds[row]), int(sets.local_prefs[row])),
            (
                int(sets.originators[row]),
                int(sets.clusters[row]),
                int(sets.next_hops[row, 0]) << 64 | int(sets.next_hops[row, 1]),
            ),
            ((True, paths[row]),) if paths[row] else (),
            communities[row],
            struct.pack(f"!{len(extended[row])}I", *extended[row]),
            struct.pack(f"!{len(large[row])}I", *large[row]),
        )
        for row in range(len(sets))
    ]
    said.append(None)
    told: Rows = []
    for routes in update.routes:
        hi, lo, lengths, identifiers = routes.prefixes
        for row, number in enumerate(routes.sets.tolist()):
            address = int(hi[row]) if lo is None else int(hi[row]) << 64 | int(lo[row])
            told.append(
                (routes.version, address, int(lengths[row]), int(identifiers[row]), said[number])
            )
    return told


def _split(pieces: bgp.Pieces) -> list[tuple[int, ...]]:
    ends = pieces.counts.cumsum().tolist()
    words = pieces.words.tolist()
    return [tuple(words[end - n : end]) for end, n in zip(ends, pieces.counts, strict=True)]
