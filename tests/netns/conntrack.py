"""A router that tracks and exports, and what the kernel says of its connections."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyroute2 import NFCTSocket
from tests.support.conditions import wait_until
from tests.support.conntrack import Road
from tests.support.receiver import Receiver, receiver
from tests.support.runtimes import Plane, plane
from tests.support.sessions import config

from flowexport_mgmt.model.flow_export import Conntrack, ConntrackState
from flowexport_mgmt.records import FlowBatch, SampleBatch

Key = tuple[object, ...]
Totals = dict[Key, tuple[int, int]]
"""Octets and packets by protocol, source, destination, their ports, and ICMP type and code."""

_NAMES = {
    4: ("sourceIPv4Address", "destinationIPv4Address", "icmpTypeCodeIPv4"),
    6: ("sourceIPv6Address", "destinationIPv6Address", "icmpTypeCodeIPv6"),
}
_ICMP = (1, 58)


class Heard:
    """A collector, and what it has received."""

    def __init__(self, peer: Receiver) -> None:
        self.peer = peer
        self.records: list[dict[str, Any]] = []

    def totals(self) -> Totals:
        """Add up what has been received until now."""
        for got in self.peer.waiting():
            self.records += [
                record.fields
                for record in got.kinds("data")
                if "protocolIdentifier" in record.fields
            ]
        totals: Totals = defaultdict(lambda: (0, 0))
        for record in self.records:
            octets, packets = totals[(key := _key_of(record))]
            grown = record["octetDeltaCount"], record["packetDeltaCount"]
            totals[key] = octets + grown[0], packets + grown[1]
        return dict(totals)

    def await_totals(self, expected: Totals, seconds: float = 10.0) -> None:
        """Wait until the totals are these, and nothing else."""

        def reached() -> bool:
            return self.totals() == expected

        try:
            wait_until(reached, seconds)
        except AssertionError:
            assert self.totals() == expected
            raise


class Exporter(Heard):
    """The data plane inside the router, and a collector beside it."""

    def __init__(self, plane: Plane, peer: Receiver, protocol: str) -> None:
        super().__init__(peer)
        self.plane = plane
        self.protocol = protocol

    def commit(self, **settings: Any) -> None:
        """Follow connections, by default with no dump after the first."""
        chosen = {"enabled": True, "active_timeout": 3600, **settings}
        collector = config(self.protocol, port=self.peer.port, polling_interval=3600)
        self.plane.commit(collector, conntrack=Conntrack(**chosen))

    def start(self, **settings: Any) -> None:
        """Commit, and wait until the first dump is over."""
        self.commit(**settings)
        wait_until(lambda: self.state.last_dump is not None)

    @property
    def state(self) -> ConntrackState:
        found = self.plane.runtime.state(["/flow-export/conntrack"]).flow_export
        assert found is not None
        assert found.conntrack is not None
        return found.conntrack

    def await_status(self, status: str) -> ConntrackState:
        wait_until(lambda: self.state.oper_status == status, 15.0, f"{self.state}")
        return self.state


def _key_of(record: dict[str, Any]) -> Key:
    version = 4 if _NAMES[4][0] in record else 6
    source, destination, icmp = _NAMES[version]
    protocol, port = record["protocolIdentifier"], record["destinationTransportPort"]
    is_icmp = protocol in _ICMP
    return (
        protocol,
        record[source],
        record[destination],
        record["sourceTransportPort"],
        0 if is_icmp else port,
        record.get(icmp, port) if is_icmp else 0,  # NetFlow v9 has it in place of the port
    )


@contextmanager
def exporter(
    way: Road, protocol: str = "ipfix", state_folder: Path | None = None
) -> Iterator[Exporter]:
    """Run a data plane inside the router."""
    with way.router.inside(), receiver() as peer, plane(state_folder=state_folder) as made:
        yield Exporter(made, peer, protocol)


def kernel_totals(way: Road) -> Totals:
    """Ask the kernel, by pyroute2, for the counters of all entries, each direction for itself.

    Connections that differ in nothing that a record has, such as pings, are added up.
    """
    totals: Totals = defaultdict(lambda: (0, 0))
    for family in (socket.AF_INET, socket.AF_INET6):
        with way.router.inside(), NFCTSocket(nfgen_family=family) as link:
            for entry in link.dump():
                for direction in ("ORIG", "REPLY"):
                    _add(totals, entry, direction)
    return dict(totals)


def _add(totals: Totals, entry: Any, direction: str) -> None:
    counted = entry.get_attr(f"CTA_COUNTERS_{direction}")
    packets = counted.get_attr("CTA_COUNTERS_PACKETS")
    if packets:
        key = _key_in(entry.get_attr(f"CTA_TUPLE_{direction}"))
        before = totals[key]
        octets = counted.get_attr("CTA_COUNTERS_BYTES")
        totals[key] = before[0] + octets, before[1] + packets


def _key_in(tuple_: Any) -> Key:
    addresses, ports = tuple_.get_attr("CTA_TUPLE_IP"), tuple_.get_attr("CTA_TUPLE_PROTO")
    version = "V4" if addresses.get_attr("CTA_IP_V4_SRC") else "V6"
    protocol = ports.get_attr("CTA_PROTO_NUM")
    icmp = 0
    if protocol in _ICMP:
        name = "ICMP" if version == "V4" else "ICMPV6"
        icmp = ports.get_attr(f"CTA_PROTO_{name}_TYPE") * 256
        icmp += ports.get_attr(f"CTA_PROTO_{name}_CODE")
    return (
        protocol,
        addresses.get_attr(f"CTA_IP_{version}_SRC"),
        addresses.get_attr(f"CTA_IP_{version}_DST"),
        ports.get_attr("CTA_PROTO_SRC_PORT") or 0,
        ports.get_attr("CTA_PROTO_DST_PORT") or 0,
        icmp,
    )


class Tally:
    """Counts what is published: each flow and direction by its key."""

    def __init__(self) -> None:
        self.batches: list[FlowBatch] = []

    def take(self, batch: FlowBatch | SampleBatch) -> None:
        assert isinstance(batch, FlowBatch)
        self.batches.append(batch)

    def sources(self) -> list[tuple[int, int]]:
        """List address and port of every record's source."""
        return [
            pair
            for batch in self.batches
            for pair in zip(batch.src.tolist(), batch.src_port.tolist(), strict=True)
        ]
