"""What a whole run measures: every path of which a bound is kept, and the cases that show it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

ROWS: Final[dict[str, tuple[str, ...]]] = {
    "encode flows: NetFlow v5, v9, IPFIX, IPv4 and IPv6": (
        "encode v5",
        *(f"encode {name}" for name in ("v9 classic", "v9 IPv4", "v9 IPv6")),
        *(f"encode {name}" for name in ("IPFIX classic", "IPFIX IPv4", "IPFIX IPv6")),
    ),
    "encode sampled packets: sFlow": ("encode sFlow samples", "encode sFlow enriched"),
    "encode counters": ("encode sFlow counters", "encode v9 counters", "encode IPFIX counters"),
    "send": ("send GSO", "send sendmmsg"),
    "the whole way, records to the socket": (
        *(f"path {name}" for name in ("v9 IPv4", "v9 IPv6", "IPFIX IPv4", "IPFIX IPv6")),
        *(f"path {name}" for name in ("v5", "sFlow samples", "sFlow enriched")),
    ),
    "conntrack dump + parse": ("conntrack dump + parse",),
    "conntrack cycle": ("conntrack cycle",),
    "conntrack delta": ("conntrack delta", "memory of a tracked flow"),
    "conntrack ends": ("conntrack ends",),
    "sampling, psample to sFlow": (
        "psample to sFlow, batches",
        "psample to sFlow, single",
        "psample flood, drops exact",
    ),
    "longest-prefix match": (
        *("lpm against pytricia", "lpm against C", "lpm load", "lpm changes"),
    ),
    "routes of BGP": (
        *("bgp table load", "bgp churn of 10,000/s", "bgp longest slice of churn"),
        *("bgp look-up, all columns", "memory of a route", "memory of a further path"),
        *("rib whole table over a session", "rib longest look-up of churn, but for waits"),
        "rib longest look-up of churn by the clock",
    ),
    "simulator": ("simulator, all flows", "simulator, own rate"),
    "NETCONF": ("NETCONF get-config", "NETCONF session"),
    "edit one leaf + commit": ("edit one leaf + commit",),
    "gNMI STREAM": (
        *("gNMI STREAM", "gNMI STREAM, share of a core", "gNMI STREAM, memory of each"),
    ),
    "gNMI Get and Set": ("gNMI Get", "gNMI Set without its commit"),
    "hitless commit": tuple(f"hitless commit, {kind}" for kind in ("samples", "flows", "counters")),
    "management latency": ("NETCONF p99 beside dumps",),
    "start": ("start",),
    "command line": ("cli one-shot", "cli prompt", "cli completion"),
    "memory": ("memory of the manager, idle", "memory of the exporter, idle"),
}
"""The cases of each row, in the order in which they are shown."""


def missing(cases: Collection[str]) -> list[str]:
    """List the cases that a whole run has to have and that are not among these."""
    return [case for wanted in ROWS.values() for case in wanted if case not in cases]
