"""Enrichment follows the configuration."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.conditions import wait_until
from tests.support.rib import announce, open_tables, settle
from tests.support.routes import flows
from tests.support.runtimes import Plane

from flowexport_mgmt.enrich.kernel_routes import KernelRoutes
from flowexport_mgmt.enrich.prefixes import Version
from flowexport_mgmt.enrich.rib_memory import map_memory
from flowexport_mgmt.link.messages import FoundRoute, SourceStateChange
from flowexport_mgmt.link.tables import make_tables, open_to_read
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.rib.base import Rib
from flowexport_mgmt.rib.sources import Identity, Kind
from flowexport_mgmt.wire.bgp import Attributes, Update

WITH_BGP = fe.FlowExport(enrichment=fe.Enrichment(bgp=True))


def routes(plane: Plane) -> fe.EnrichmentKernelRoutes:
    state = plane.runtime.state(["/flow-export/enrichment"]).flow_export
    assert state is not None
    assert state.enrichment is not None
    assert state.enrichment.kernel_routes is not None
    return state.enrichment.kernel_routes


def commit(plane: Plane, *, fib: bool) -> None:
    new = fe.FlowExport(enrichment=fe.Enrichment(fib=fib))
    assert not plane.runtime.prepare(7, new, strict=True)
    plane.runtime.apply(7)


def is_enriched(plane: Plane) -> bool:
    batch = flows(["127.0.0.1"], ["127.0.0.1"])
    exchange = plane.runtime._pipeline.exchange
    seen: list[object] = []
    exchange.tap(seen.append)
    exchange.publish(batch)
    exchange.untap(seen.append)
    return seen != [batch]


def test_routes_are_followed_while_fib_is_true(data_plane: Plane) -> None:
    commit(data_plane, fib=True)
    found = wait_until(lambda: (now := routes(data_plane)).oper_status == "up" and now)
    assert found
    assert found.ipv4_routes  # loopback has some anywhere
    assert (found.oper_reason, found.resyncs, found.messages_lost) == (None, 0, 0)
    assert found.last_change is not None
    assert is_enriched(data_plane)
    assert data_plane.events == []  # to have read them at first is no news
    commit(data_plane, fib=False)
    assert routes(data_plane) == fe.EnrichmentKernelRoutes(oper_status=OperStatus.DISABLED)
    assert not is_enriched(data_plane)
    commit(data_plane, fib=True)
    wait_until(lambda: routes(data_plane).oper_status == "up")


def test_a_commit_elsewhere_does_not_disturb(data_plane: Plane) -> None:
    commit(data_plane, fib=True)
    wait_until(lambda: routes(data_plane).oper_status == "up")
    since = routes(data_plane).discontinuity_time
    commit(data_plane, fib=True)
    assert routes(data_plane).discontinuity_time == since
    new = fe.FlowExport(enrichment=fe.Enrichment(fib=False))
    assert not data_plane.runtime.prepare(8, new, strict=True)
    data_plane.runtime.abort(8)
    assert routes(data_plane).oper_status == "up"


def test_a_kernel_that_refuses_is_asked_again(
    data_plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr(KernelRoutes, "read", refuse)
        commit(data_plane, fib=True)
        wait_until(lambda: routes(data_plane).oper_reason == "rtnetlink: Operation not permitted")
        assert not is_enriched(data_plane)
    wait_until(lambda: routes(data_plane).oper_status == "up")
    told = [event for event in data_plane.events if isinstance(event, SourceStateChange)]
    assert [(event.name, event.oper_status) for event in told] == [("fib", "down"), ("fib", "up")]


def test_the_ring_of_recent_flows_follows_the_configuration(data_plane: Plane) -> None:
    def ring(**settings: Any) -> fe.ConntrackState:
        new = fe.FlowExport(conntrack=fe.Conntrack(**settings))
        assert not data_plane.runtime.prepare(9, new, strict=True)
        data_plane.runtime.apply(9)
        state = data_plane.runtime.state(["/flow-export/conntrack"]).flow_export
        assert state is not None
        assert state.conntrack is not None
        return state.conntrack

    def fill(count: int) -> None:
        batch = flows(["10.0.0.1"] * count, ["10.0.0.2"] * count)
        data_plane.runtime._pipeline.exchange.publish(batch)

    assert ring(enabled=False).recent_ring_drops is None
    assert ring(enabled=True, recent_flow_ring=100).recent_ring_drops == 0
    fill(130)
    assert len(data_plane.runtime.recent_flows(None)) == 100
    assert ring(enabled=True, recent_flow_ring=64).recent_ring_drops == 66
    assert len(data_plane.runtime.recent_flows("10.0.0.0/24")) == 64
    ring(enabled=False)
    fill(1)
    assert data_plane.runtime.recent_flows(None) == ()


def test_routes_of_bgp_are_looked_up(data_plane: Plane) -> None:
    """A table has a route of each family; what has none is left out."""
    attributes = Attributes(as_path=((True, (64500, 64501)),))
    assert not data_plane.runtime.prepare(7, WITH_BGP, strict=True)
    data_plane.runtime.apply(7)
    with pytest.raises(ValueError, match="no routes of BGP"):
        data_plane.runtime.lookup_routes(["192.0.2.1"])
    with open_tables() as (rib, reader):
        source = rib.open_source(Identity(Kind.IBGP, "a"), 1)
        assert source is not None
        rib.begin(source, 0, 0)
        for told in (
            announce(4, [(0x0A000000, 8)], attributes, bytes([192, 0, 2, 1])),
            announce(6, [(0x20010DB8 << 96, 32)], attributes, bytes(15) + b"\x09"),
        ):
            for _ in rib.take(source, [told], 0, 0):
                pass
        rib.complete(source, 4, told=False)
        rib.complete(source, 6, told=False)
        settle(rib, 0)
        data_plane.runtime._enrichment._tables = reader
        asked = ["2001:db8::1", "203.0.113.9", "10.1.2.3", "10.1.2.3"]
        assert data_plane.runtime.lookup_routes(asked) == (
            FoundRoute(
                address="2001:db8::1",
                prefix="2001:db8::/32",
                origin_as=64501,
                next_hop="::9",
                as_path="64500 64501",
            ),
            FoundRoute(
                address="10.1.2.3",
                prefix="10.0.0.0/8",
                origin_as=64501,
                next_hop="192.0.2.1",
                as_path="64500 64501",
            ),
        )
        with pytest.raises(ValueError, match="here"):
            data_plane.runtime.lookup_routes(["here"])


def tell(made: int, *versions: Version) -> None:
    """Be a process of routes that has learned a table of these families."""
    rib = Rib(map_memory(made, write=True), seed=7, stale_time=9, end_of_rib_timeout=9)
    source = rib.open_source(Identity(Kind.IBGP, "a"), 1)
    assert source is not None
    rib.begin(source, 0, 0)
    for version in versions:
        hop = bytes(4 if version == 4 else 16)
        told = announce(version, [(0, 0)], Attributes(as_path=((True, (made,)),)), hop)
        for _ in rib.take(source, [told, Update(end_of_rib=version)], 0, 0):
            pass
    settle(rib, 0)


def test_former_tables_count_until_there_are_whole_new_ones(data_plane: Plane) -> None:
    """However often the process of routes ends before it has learned all of them again."""
    assert not data_plane.runtime.prepare(7, WITH_BGP, strict=True)
    data_plane.runtime.apply(7)
    enrichment = data_plane.runtime._enrichment

    def origins() -> list[int | None]:
        found = data_plane.runtime.lookup_routes(["192.0.2.1", "2001:db8::1"])
        return [route.origin_as for route in found]

    with contextlib.ExitStack() as stack:
        first, second, third = (stack.enter_context(made_tables()) for _ in range(3))
        tell(first, 4, 6)
        enrichment.use_tables(open_to_read(first))
        assert origins() == [first, first]
        enrichment.use_tables(open_to_read(second))
        tell(second, 4)
        assert origins() == [first, first]
        enrichment.use_tables(open_to_read(third))
        assert origins() == [first, first]
        tell(third, 4, 6)
        assert origins() == [third, third]


@contextlib.contextmanager
def made_tables() -> Iterator[int]:
    made = make_tables()
    yield made
    os.close(made)
