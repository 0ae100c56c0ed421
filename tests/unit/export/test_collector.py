from __future__ import annotations

import errno
from typing import Any

import pytest
from tests.support.interfaces import make_batch
from tests.support.receiver import Receiver, closed_port, receiver
from tests.support.sessions import OPTIONS, TEMPLATES, Script, at, config

from flowexport_mgmt.export import Collector, EndpointError, open_sender
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.flow_export import Collector as Config

UP, DOWN, DEGRADED, DISABLED = (
    OperStatus.UP,
    OperStatus.DOWN,
    OperStatus.DEGRADED,
    OperStatus.DISABLED,
)


class Life:
    """A collector and the changes of its status."""

    def __init__(self, settings: Config) -> None:
        self.changes: list[tuple[OperStatus, str | None]] = []
        self.collector = Collector(settings, at(0), lambda *change: self.changes.append(change))

    def export(self, second: float, *, interfaces: int = 1) -> None:
        """Take one poll to the end."""
        octets = {index: int(second) for index in range(1, interfaces + 1)}
        self.collector.generate(make_batch(octets, second=second), at(second))
        while self.collector.pending:
            self.collector.transmit(16, at(second))


def life_with(sender: Script, protocol: str = "sflow", **settings: Any) -> Life:
    life = Life(config(protocol, **settings))
    life.collector.configure(life.collector.config, sender, at(0))
    return life


def test_everything_is_counted_as_the_kernel_takes_it() -> None:
    with receiver() as peer:
        life = Life(config("ipfix", port=peer.port))
        life.collector.configure(life.collector.config, open_sender(life.collector.config), at(0))
        life.export(0, interfaces=3)
        assert life.collector.statistics.last_export_ns is None
        life.export(20, interfaces=3)
        got = [peer.receive(), peer.receive()]
        counted = life.collector.statistics
        assert counted.datagrams == 2
        assert counted.octets == sum(datagram.size for datagram in got)
        assert counted.records == 3 + OPTIONS + 6  # names, option data, counters
        assert counted.templates == TEMPLATES
        assert counted.last_template_ns == at(0).unix_ns
        assert counted.last_export_ns == at(20).unix_ns
        assert (life.collector.status, life.changes) == (UP, [])
        life.collector.close()


def test_failures_are_counted_by_name_and_the_sequence_goes_on() -> None:
    life = life_with(Script(errno.EPERM, 0, errno.EMSGSIZE, 0))
    for second in range(4):
        life.export(second)
    counted = life.collector.statistics
    assert counted.failures == {"EPERM": 1, "EMSGSIZE": 1}
    assert counted.errors == 2
    assert counted.last_error == "Message too long (EMSGSIZE)"
    assert counted.datagrams == 2
    assert life.collector.session.sequence == 4


def test_down_while_nothing_gets_out_and_up_with_the_first_that_does() -> None:
    sender = Script(errno.EPERM)
    life = life_with(sender)
    life.export(0)
    assert life.collector.status is DOWN
    assert life.collector.reason == "address 127.0.0.1 port 6343: Operation not permitted (EPERM)"
    assert not sender.closed
    life.export(20)
    assert [status for status, _ in life.changes] == [DOWN, UP]
    assert life.collector.reason is None


def test_degraded_while_a_part_gets_out() -> None:
    life = life_with(Script(0, errno.ENOBUFS), max_datagram_size=464)
    life.export(0, interfaces=9)
    assert life.collector.status is DEGRADED
    assert life.collector.reason == "No buffer space available (ENOBUFS)"


def test_down_while_the_network_reports_that_nobody_listens() -> None:
    sender = Script(errno.ECONNREFUSED)
    sender.reports = True
    life = life_with(sender)
    life.export(0)
    assert life.collector.status is DOWN
    assert life.collector.reason is not None
    assert "ECONNREFUSED" in life.collector.reason
    assert life.collector.is_open
    assert life.collector.statistics.datagrams == 1
    assert life.collector.statistics.failures == {"ECONNREFUSED": 1}


def test_who_did_not_listen_gets_templates_with_every_poll_until_it_does() -> None:
    sender = Script(0, errno.ECONNREFUSED, errno.ECONNREFUSED)
    sender.reports = True
    life = life_with(sender, "ipfix")
    for second in range(6):
        life.export(second)
    assert life.collector.statistics.templates == 3 * TEMPLATES


def test_a_socket_whose_network_is_gone_is_opened_again() -> None:
    with receiver() as peer:
        sender = Script(errno.ENETUNREACH)
        life = life_with(sender, port=peer.port)
        life.export(0)
        assert sender.closed
        assert not life.collector.is_open
        assert life.collector.retry_at == at(1).monotonic
        assert life.collector.advance(at(1))
        assert life.collector.status is DOWN  # until something got out
        life.export(2)
        assert peer.receive().message.sequence == 2
        assert [status for status, _ in life.changes] == [DOWN, UP]
        life.collector.close()


def test_a_source_address_that_left_is_noticed_before_the_next_datagram() -> None:
    sender = Script()
    life = life_with(sender, source_address="192.0.2.77")
    life.export(0)
    sender.local_is_there = False
    life.export(1)
    assert len(sender.datagrams) == 1
    assert sender.closed
    assert life.collector.status is DOWN
    assert life.collector.reason == (
        "source-address 192.0.2.77: not an address of this host (EADDRNOTAVAIL)"
    )
    assert life.collector.session.sequence == 1
    assert not life.collector.advance(at(2))
    assert life.collector.retry_at == at(3).monotonic


def test_an_address_that_the_kernel_chose_is_replaced_at_once() -> None:
    with receiver() as peer:
        sender = Script()
        life = life_with(sender, "netflow9", port=peer.port)
        sender.local_is_there = False
        life.export(0)
        assert peer.receive().kinds("options")
        assert life.changes == []
        life.collector.close()


def test_what_cannot_be_opened_is_down_with_the_reason() -> None:
    life = Life(config("sflow"))
    life.collector.configure(life.collector.config, EndpointError("address", "no way"), at(0))
    assert (life.collector.status, life.collector.reason) == (DOWN, "no way")
    assert life.changes == [(DOWN, "no way")]
    assert life.collector.retry_at == at(1).monotonic


def test_templates_are_sent_again_over_a_new_socket() -> None:
    life = life_with(Script(0, errno.ENETUNREACH), "netflow9")
    life.export(0)
    life.export(1)
    assert not life.collector.is_open
    again = Script()
    life.collector.configure(life.collector.config, again, at(2))
    life.export(2)
    assert len(again.datagrams) == 2  # templates, then what grew since the poll that was lost
    assert life.collector.statistics.templates == 2 * TEMPLATES


@pytest.mark.parametrize(
    ("settings", "agent"),
    [
        ({"agent_address": "198.51.100.9", "source_address": "127.0.0.1"}, "198.51.100.9"),
        ({"agent_address": "2001:db8::9"}, "2001:db8::9"),
        ({"source_address": "127.0.0.9"}, "127.0.0.9"),
        ({}, "192.0.2.1"),
    ],
)
def test_the_agent_address_is_configured_the_source_or_the_kernels(
    settings: dict[str, Any], agent: str
) -> None:
    assert str(life_with(Script(), **settings).collector.agent) == agent


def test_the_kernels_first_choice_stays_the_agent_address() -> None:
    life = life_with(Script(errno.ENETUNREACH))
    life.export(0)
    life.collector.configure(life.collector.config, Script(local="192.0.2.99"), at(1))
    assert str(life.collector.agent) == "192.0.2.1"
    life.collector.configure(config("sflow", agent_address="192.0.2.50"), None, at(2))
    assert str(life.collector.agent) == "192.0.2.50"
    life.collector.configure(config("sflow"), None, at(3))
    assert str(life.collector.agent) == "192.0.2.1"


def test_other_protocols_have_no_agent_address() -> None:
    assert life_with(Script(), "ipfix").collector.agent is None


def test_disabling_closes_and_enabling_goes_on_numbering() -> None:
    sender = Script()
    life = life_with(sender, "netflow9")
    life.export(0)
    life.export(1)
    life.collector.configure(config("netflow9", enabled=False), None, at(2))
    assert (life.collector.status, life.collector.reason) == (DISABLED, "enabled is false")
    assert sender.closed
    again = Script()
    life.collector.configure(config("netflow9"), again, at(900))
    life.export(900)
    assert life.collector.session.sequence == 3
    assert len(again.datagrams) == 1  # templates: what grew meanwhile is nobody's
    assert [status for status, _ in life.changes] == [DISABLED, UP]


def test_disabled_from_the_start() -> None:
    life = Life(config("sflow", enabled=False))
    life.collector.configure(life.collector.config, None, at(0))
    assert life.collector.status is DISABLED


def test_a_changed_dscp_marks_the_socket_that_there_is() -> None:
    sender = Script()
    life = life_with(sender)
    life.collector.configure(config("sflow", dscp=46), None, at(1))
    assert sender.marks == [46]
    assert not sender.closed


def test_bursts_end_where_the_limit_or_the_buffer_does() -> None:
    sender = Script(0, 0, 0, errno.EAGAIN)
    life = life_with(sender, max_datagram_size=464)
    life.collector.generate(make_batch(dict.fromkeys(range(1, 31), 1)), at(0))
    assert life.collector.transmit(2, at(0)) == 2
    assert life.collector.transmit(4, at(0)) == 1
    assert life.collector.transmit(4, at(0)) == 4
    assert life.collector.transmit(16, at(0)) == 3
    assert not life.collector.pending
    assert life.collector.statistics.records == 30


def test_failing_forgets_what_is_under_way() -> None:
    sender = Script()
    life = life_with(sender)
    life.collector.generate(make_batch({1: 1}), at(0))
    life.collector.fail("on purpose", at(0))
    assert not life.collector.pending
    assert sender.closed
    assert life.collector.transmit(16, at(0)) == 0
    assert life.changes == [(DOWN, "on purpose")]


def test_a_port_that_nobody_listens_on_is_down_and_recovers() -> None:
    port = closed_port()
    life = Life(config("sflow", port=port))
    life.collector.configure(life.collector.config, open_sender(life.collector.config), at(0))
    for second in range(10_000):
        life.export(second)
        if life.collector.status is DOWN:
            break
    assert life.collector.statistics.failures["ECONNREFUSED"] >= 1
    peer = Receiver(port=port, strict=False)
    sent = life.collector.session.sequence
    life.export(1)
    life.export(2)
    got = [peer.receive().message.sequence, peer.receive().message.sequence]
    assert got == [sent + 1, sent + 2]
    assert life.changes[-1] == (UP, None)
    life.collector.close()
    peer.close()
