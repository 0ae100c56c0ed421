"""Tracked flows that grew, as the batches that collectors get."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records import FlowBatch
from flowexport_mgmt.sources.conntrack.segment import Counters
from flowexport_mgmt.wire.conntrack import Entries

IDLE, ACTIVE, END, FORCED = 1, 2, 3, 4
"""Reasons for a record (IPFIX element 136, flowEndReason)."""

_MS: Final = 1_000_000  # nanoseconds
_CLOSED_TCP: Final = (7, 8)  # TIME_WAIT and CLOSE, which is what a reset leads to
_LAST_ACK: Final = 6
_CLOSED_SCTP: Final = (1, 5, 6, 7)  # CLOSED, and what SHUTDOWN chunks lead to
_NAT: Final = {
    "nat_src": "reply_dst",
    "nat_dst": "reply_src",
    "nat_src_port": "reply_dst_port",
    "nat_dst_port": "reply_src_port",
}
_PORTS: Final = ("src_port", "dst_port")


@dataclass(frozen=True, slots=True)
class Grown:
    """Entries that have a record to be made of: growth (N, 4), Unix seconds since when seen."""

    entries: Entries
    growth: Counters
    since: NDArray[np.uint64]


def make_batches(grown: Sequence[Grown], now_ns: int) -> Iterator[FlowBatch]:
    """Make a batch per address family, and another one of what is translated.

    ``now_ns`` is the Unix time, in nanoseconds, at which the counters were read.
    """
    for version in (4, 6):
        parts = [
            _columns(one, now_ns)
            for one in grown
            if one.entries.version == version and len(one.growth)
        ]
        if not parts:
            continue
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        translated = _is_translated(columns)
        if not translated.all():
            yield _batch(version, columns, ~translated, (*_NAT,))
        if translated.any():
            yield _batch(version, columns, translated, ())


def _batch(
    version: Any, columns: dict[str, NDArray[Any]], rows: NDArray[np.bool_], without: Sequence[str]
) -> FlowBatch:
    chosen: dict[str, Any] = {
        name: column[rows] for name, column in columns.items() if name not in without
    }
    if not chosen["vrf"].any():
        del chosen["vrf"]
    return FlowBatch(version=version, **chosen)


def _is_translated(columns: dict[str, NDArray[Any]]) -> NDArray[np.bool_]:
    differs = np.zeros(len(columns["protocol"]), np.bool_)
    for name in _NAT:
        other = columns[name] != columns[name.removeprefix("nat_")]
        differs |= other.any(axis=1) if other.ndim > 1 else other
    return differs


def _columns(one: Grown, now_ns: int) -> dict[str, NDArray[Any]]:
    entries = one.entries
    start, end = _times(one, now_ns)
    columns: dict[str, NDArray[Any]] = {
        "src": entries.addresses("src"),
        "dst": entries.addresses("dst"),
        "protocol": entries.column("protocol"),
        "octets": one.growth[:, 0],
        "packets": one.growth[:, 1],
        "reverse_octets": one.growth[:, 2],
        "reverse_packets": one.growth[:, 3],
        "start_ms": start,
        "end_ms": end,
        "in_if": np.zeros(len(entries), np.uint32),
        "out_if": np.zeros(len(entries), np.uint32),
        "icmp": _icmp(entries),
        "tcp_state": entries.column("tcp_state").astype(np.uint8),
        "end_reason": _reasons(entries),
        "vrf": entries.zones().astype(np.uint32),
    }
    for name in _PORTS:
        columns[name] = entries.column(name).astype(np.uint16)
    for name, source in _NAT.items():
        if name.endswith("_port"):
            columns[name] = entries.column(source).astype(np.uint16)
        else:
            columns[name] = entries.addresses(source)
    return columns


def _icmp(entries: Entries) -> NDArray[np.uint16]:
    """Give type * 256 + code, 0 where there is neither."""
    types = entries.column("icmp_type").astype(np.uint16)
    return types << np.uint16(8) | entries.column("icmp_code").astype(np.uint16)


def _times(one: Grown, now_ns: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Give start and end in Unix milliseconds: start <= end <= now, whatever clocks did."""
    now = np.uint64(now_ns // _MS)
    end = np.full(len(one.growth), now)
    if one.entries.has("stop_ns"):
        end = np.minimum(one.entries.column("stop_ns") // np.uint64(_MS), now)
    if one.entries.has("start_ns"):
        start = one.entries.column("start_ns") // np.uint64(_MS)
    else:
        start = one.since * np.uint64(1000)
    return np.minimum(start, end), end


def _reasons(entries: Entries) -> NDArray[np.uint8]:
    """Tell why there is a record: the flow goes on, was closed, was removed early, or was idle."""
    if not entries.ended:
        return np.full(len(entries), ACTIVE, np.uint8)
    early = entries.column("timeout") > 0  # the event has what was left of it, nothing if none was
    reasons = np.where(early, FORCED, IDLE).astype(np.uint8)
    reasons[np.isin(entries.column("tcp_state"), (_LAST_ACK, *_CLOSED_TCP))] = END
    reasons[np.isin(entries.column("sctp_state"), _CLOSED_SCTP)] = END
    return reasons
