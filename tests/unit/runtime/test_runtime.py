from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.support.conditions import wait_until
from tests.support.interfaces import FakeKernel
from tests.support.receiver import Receiver, closed_port, receiver
from tests.support.runtimes import Plane, fake_source, plane
from tests.support.sessions import config

from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.model.flow_export import Collector, FlowExport

ABSENT = "192.0.2.77"
"""An address that this host does not have (RFC 5737)."""


def to(peer: Receiver, protocol: str = "sflow", **settings: Any) -> Collector:
    values: dict[str, Any] = {
        "address": peer.address,
        "port": peer.port,
        "polling_interval": 1,
        "max_datagram_size": 9000,
    }
    return config(protocol, **(values | settings))


def paths_of(data_plane: Plane, *collectors: Collector) -> dict[str, str]:
    return {refusal.path: refusal.message for refusal in data_plane.prepare(*collectors)}


def test_nothing_runs_before_the_first_apply(kernel: FakeKernel) -> None:
    with plane(fake_source(kernel)) as made:
        assert made.runtime.commit == 0
        assert made.runtime.state(["/"]).flow_export is None
        assert not {"egress", "counters"} & {thread.name for thread in threading.enumerate()}


def test_the_first_datagram_waits_for_no_interval(data_plane: Plane, peer: Receiver) -> None:
    data_plane.commit(to(peer, polling_interval=3600))
    assert peer.receive().message.sequence == 1
    assert data_plane.runtime.commit == 1


def test_export_now_polls_and_clearing_touches_no_sequence(
    data_plane: Plane, peer: Receiver
) -> None:
    data_plane.commit(to(peer, polling_interval=3600, name="c"))
    peer.receive()
    collectors = data_plane.runtime.collectors
    collectors.export_now("c")
    assert peer.receive().message.sequence == 2
    assert not collectors.uncleared
    collectors.clear_statistics("c")
    collectors.export_now("c")
    assert peer.receive().message.sequence == 3
    wait_until(lambda: data_plane.statistics("c").datagrams_sent == 1)
    (whole,) = collectors.uncleared
    assert whole.statistics is not None
    assert (whole.name, whole.statistics.datagrams_sent) == ("c", 3)
    for act in (collectors.export_now, collectors.clear_statistics):
        with pytest.raises(LookupError, match="no collector d runs"):
            act("d")


def test_preparing_changes_nothing(data_plane: Plane, peer: Receiver) -> None:
    data_plane.commit(to(peer))
    before = peer.receive().message.sequence
    with receiver() as other:
        data_plane.prepare(to(other, name="other"))
        assert peer.receive().message.sequence == before + 1
        assert other.waiting() == []
        data_plane.runtime.abort(2)
        assert data_plane.runtime.commit == 1
        with pytest.raises(LinkError, match="not prepared"):
            data_plane.runtime.apply(2)
        assert peer.receive().message.sequence == before + 2


def test_only_what_was_prepared_is_applied(data_plane: Plane, peer: Receiver) -> None:
    data_plane.prepare(to(peer))
    with pytest.raises(LinkError, match="commit 9"):
        data_plane.runtime.apply(9)
    data_plane.runtime.abort(9)  # somebody else's
    data_plane.runtime.apply(1)
    peer.receive()


def test_a_refusal_names_the_leaf_and_the_kernels_reason(data_plane: Plane, peer: Receiver) -> None:
    found = paths_of(
        data_plane,
        to(peer, name="good"),
        to(peer, name="o'x", source_address=ABSENT),
        to(peer, name="family", source_address="::1"),
        to(peer, name="agent", agent_address="0.0.0.0"),
        to(peer, name="zone", address="fe80::1%nonesuch"),
        to(peer, name="off", enabled=False, address="0.0.0.0"),
        to(peer, name="broad", address="255.255.255.255"),
    )
    prefix = "/flow-export:flow-export/collector"
    assert found == {
        f'{prefix}[name="o\'x"]/source-address': (
            f"source-address {ABSENT}: not an address of this host (EADDRNOTAVAIL)"
        ),
        f"{prefix}[name='family']/source-address": (
            "source-address ::1 is IPv6, address 127.0.0.1 is IPv4"
        ),
        f"{prefix}[name='agent']/agent-address": "agent-address 0.0.0.0 names no host",
        f"{prefix}[name='zone']/address": (
            "address fe80::1%nonesuch: there is no interface nonesuch"
        ),
        f"{prefix}[name='off']/address": "address 0.0.0.0 names no host",
        f"{prefix}[name='broad']/address": "address 255.255.255.255: Permission denied (EACCES)",
    }
    with pytest.raises(LinkError):
        data_plane.runtime.apply(1)


def test_a_refused_commit_leaves_what_runs_alone(data_plane: Plane, peer: Receiver) -> None:
    data_plane.commit(to(peer))
    before = peer.receive().message.sequence
    assert paths_of(data_plane, to(peer, source_address=ABSENT))
    assert peer.receive().message.sequence == before + 1
    assert data_plane.changes("c") == []


def test_restoring_reports_what_cannot_be_and_runs_the_rest(
    data_plane: Plane, peer: Receiver
) -> None:
    data_plane.commit(
        to(peer, name="good"),
        to(peer, name="bad", source_address=ABSENT),
        to(peer, name="worse", source_address="::1"),
        strict=False,
    )
    peer.receive()
    bad, worse = data_plane.statistics("bad"), data_plane.statistics("worse")
    assert bad.oper_status == worse.oper_status == "down"
    assert bad.oper_reason == (
        f"source-address {ABSENT}: not an address of this host (EADDRNOTAVAIL)"
    )
    assert worse.oper_reason == "source-address ::1 is IPv6, address 127.0.0.1 is IPv4"
    assert bad.sequence == 0
    assert data_plane.changes("bad") == ["down"]


def test_an_untouched_collector_feels_nothing(data_plane: Plane, peer: Receiver) -> None:
    with receiver() as other:
        data_plane.commit(to(peer, "netflow9"), to(other, "ipfix", name="other"))
        peer.receive_until("data")
        lane = data_plane.runtime.collectors._running["c"].lane
        for dscp in range(5):
            data_plane.commit(to(peer, "netflow9"), to(other, "ipfix", name="other", dscp=dscp))
        data_plane.commit(to(peer, "netflow9"))
        got = peer.receive()
        assert got.kinds("data")
        assert not got.kinds("options")
        assert data_plane.runtime.collectors._running["c"].lane is lane


@pytest.mark.parametrize("protocol", ["sflow", "netflow9", "ipfix"])
def test_changed_settings_keep_socket_sequence_and_baselines(
    data_plane: Plane, peer: Receiver, protocol: str
) -> None:
    data_plane.commit(to(peer, protocol))
    first = peer.receive()
    data_plane.commit(
        to(
            peer,
            protocol,
            dscp=8,
            max_datagram_size=1400,
            rate_limit=1000,
            polling_interval=2,
            template_refresh=100,
        )
    )
    kind = "counter-sample" if protocol == "sflow" else "data"
    later = peer.receive_until(kind)  # the receiver fails the test at a gap
    assert later.message.source == first.message.source
    assert later.tos >> 2 == 8
    assert later.size <= 1400


@pytest.mark.parametrize(
    ("protocol", "change"),
    [
        ("sflow", {"sub_agent_id": 5}),
        ("sflow", {"source_address": "127.0.0.4"}),
        ("sflow", {"protocol": "netflow9"}),
        ("netflow9", {"observation_domain": 5}),
        ("ipfix", {"observation_domain": 5}),
    ],
)
def test_another_identity_begins_anew(
    data_plane: Plane, protocol: str, change: dict[str, Any]
) -> None:
    with receiver(strict=False) as peer:
        data_plane.commit(to(peer, protocol))
        peer.receive()
        peer.receive()
        before = data_plane.statistics("c").discontinuity_time
        protocol = change.get("protocol", protocol)
        data_plane.commit(
            to(peer, protocol, **{k: v for k, v in change.items() if k != "protocol"})
        )
        begun = 1 if protocol == "sflow" else 0
        wait_until(lambda: peer.receive().message.sequence == begun)
        counted = data_plane.statistics("c")
        assert counted.discontinuity_time != before
        assert counted.datagrams_sent in (1, 2)


@pytest.mark.parametrize("protocol", ["sflow", "netflow9", "ipfix"])
def test_a_collector_that_comes_back_begins_anew_and_tells_of_no_gap(
    data_plane: Plane, protocol: str
) -> None:
    """What is numbered anew is seen as that: lost is nothing, and nothing is out of order."""
    with receiver(strict=False) as peer:
        first = to(peer, protocol)
        data_plane.commit(first)
        got = [peer.receive().message for _ in range(3)]
        data_plane.commit()
        data_plane.commit(first)
        again = [peer.receive().message for _ in range(2)]
    begun = 1 if protocol == "sflow" else 0
    assert (got[0].sequence, again[0].sequence) == (begun, begun)
    assert [message.lost for message in (*got, *again)] == [0] * 5
    faults = {fault.code for message in again for fault in message.faults}
    assert faults == ({"sequence-restart"} if protocol == "sflow" else set())


def test_a_new_port_moves_the_collector(data_plane: Plane, peer: Receiver) -> None:
    with receiver() as other:
        data_plane.commit(to(peer))
        peer.receive()
        data_plane.commit(to(other))
        assert other.receive().message.sequence == 1
        peer.waiting()
        other.receive()
        assert peer.waiting() == []


def test_removed_collectors_and_removed_flow_export(data_plane: Plane, peer: Receiver) -> None:
    data_plane.commit(to(peer))
    peer.receive()
    data_plane.commit()
    state = data_plane.runtime.state(["/flow-export"]).flow_export
    assert state is not None
    assert state.collector == ()
    assert state.counters is not None
    data_plane.clear()
    assert data_plane.runtime.state(["/flow-export"]).flow_export is None
    polls = data_plane.runtime._pipeline.polls.polls
    with receiver() as other:
        data_plane.commit(to(other))
        assert other.receive().message.sequence == 1
    wait_until(lambda: data_plane.runtime._pipeline.polls.polls == polls + 1)
    assert peer.waiting() == []


def test_a_refusing_port_is_down_and_counted(data_plane: Plane) -> None:
    port = closed_port()
    data_plane.commit(config("sflow", port=port, polling_interval=1))
    found = data_plane.await_status("c", "down")
    assert found.oper_reason == f"address 127.0.0.1 port {port}: Connection refused (ECONNREFUSED)"
    assert [(failure.error, failure.count) for failure in found.send_failure] == [
        ("ECONNREFUSED", found.errors)
    ]
    assert found.errors is not None
    assert found.errors >= 1
    assert found.last_error == "Connection refused (ECONNREFUSED)"
    assert data_plane.changes("c") == ["down"]


def test_state_is_what_was_asked_for(data_plane: Plane, peer: Receiver) -> None:
    data_plane.commit(to(peer))
    peer.receive()
    state = data_plane.runtime.state(["/flow-export/counters"])
    assert state.interfaces is None
    assert state.flow_export is not None
    assert state.flow_export.collector == ()
    assert state.flow_export.counters is not None
    assert state.flow_export.counters.interfaces == 40
    state = data_plane.runtime.state(["/flow-export/collector/statistics", "/interfaces"])
    assert state.flow_export is not None
    assert state.flow_export.counters is None
    assert len(state.flow_export.collector) == 1
    assert state.interfaces is not None
    assert len(state.interfaces.interface) == 41
    assert data_plane.runtime.state(["/server"]).flow_export is None
    assert data_plane.runtime.state(["/flow-export/exporter"]).flow_export is not None


def test_counters_tell_how_the_source_fares(
    data_plane: Plane, peer: Receiver, kernel: FakeKernel
) -> None:
    kernel.error = OSError(1, "Operation not permitted")
    data_plane.commit(to(peer))

    def counters() -> Any:
        state = data_plane.runtime.state(["/flow-export/counters"]).flow_export
        assert state is not None
        return state.counters

    wait_until(lambda: counters().oper_status == "down")
    assert counters().oper_reason == "rtnetlink: Operation not permitted"
    assert counters().poll_failures >= 1
    assert counters().last_poll is None
    kernel.error = None
    peer.receive()
    wait_until(lambda: counters().oper_status == "up")
    assert counters().polls >= 1
    assert counters().last_poll is not None
    assert [type(event).__name__ for event in data_plane.events] == ["SourceStateChange"] * 2


def test_hundreds_of_collectors(data_plane: Plane) -> None:
    with receiver(strict=False) as peer:
        collectors = [to(peer, name=f"c{number}", polling_interval=60) for number in range(300)]
        data_plane.commit(*collectors)
        for _ in collectors:
            peer.receive()
        data_plane.commit(*collectors[:299], to(peer, name="c299", dscp=3, polling_interval=60))
        state = data_plane.runtime.state(["/flow-export/collector"]).flow_export
        assert state is not None
        assert {
            found.statistics.datagrams_sent for found in state.collector if found.statistics
        } == {1}


def test_stopping_is_final(kernel: FakeKernel) -> None:
    with receiver() as peer:
        made = Plane(fake_source(kernel))
        made.commit(to(peer))
        peer.receive()
        made.runtime.stop()
        assert kernel.closed
        wait_until(lambda: not {"egress", "counters"} & {t.name for t in threading.enumerate()})


def test_sockets_of_an_abandoned_plan_are_closed(data_plane: Plane, peer: Receiver) -> None:
    assert not data_plane.runtime.prepare(1, FlowExport(collector=(to(peer),)), strict=True)
    plan = data_plane.runtime.collectors._plan
    assert plan is not None
    sender: Any = plan.steps[0].opened
    data_plane.runtime.prepare(2, None, strict=True)
    assert sender._socket.fileno() == -1
