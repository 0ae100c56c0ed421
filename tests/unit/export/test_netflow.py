from __future__ import annotations

import math

import pytest
from tests.support.interfaces import make_batch
from tests.support.sessions import OPTIONS, TEMPLATES, Reader, at, config

from flowexport_mgmt.export.netflow import IpfixSession, Netflow9Session, TemplateSession
from flowexport_mgmt.export.output import Content, Output
from flowexport_mgmt.wire.messages import Value

PROTOCOLS = pytest.mark.parametrize("protocol", ["netflow9", "ipfix"])


def session_of(protocol: str, **settings: object) -> TemplateSession:
    made = {"netflow9": Netflow9Session, "ipfix": IpfixSession}[protocol]
    return made(config(protocol, **settings))


def contents(outputs: list[Output]) -> list[Content]:
    return [output.content for output in outputs]


def templates(outputs: list[Output]) -> int:
    return sum(sum(output.datagrams.templates) for output in outputs)


def names(reader: Reader, outputs: list[Output]) -> list[Value]:
    records = reader.records(outputs, "options")
    found = (record.fields.get("interfaceName") for record in records)
    return [name for name in found if name is not None]


@PROTOCOLS
def test_the_first_poll_brings_templates_and_names_only(protocol: str) -> None:
    session = session_of(protocol, observation_domain=77)
    outputs = session.encode(make_batch({3: 1000, 5: 7}, names=("eth0", "eth1")), at(0))
    assert contents(outputs) == [Content.TEMPLATES]
    assert templates(outputs) == TEMPLATES
    (message,) = Reader().read(outputs)
    assert (message.sequence, message.domain) == (0, 77)
    shown = [record.fields.get("interfaceName") for record in message.records]
    assert shown == ["eth0", "eth1"] + OPTIONS * [None]
    assert {record.kind for record in message.records} == {"options"}


@PROTOCOLS
def test_later_polls_bring_what_counters_grew_by(protocol: str) -> None:
    session, reader = session_of(protocol), Reader()
    reader.read(session.encode(make_batch({3: 1000}), at(0)))
    outputs = session.encode(make_batch({3: 4000}, second=20), at(20))
    assert contents(outputs) == [Content.COUNTERS]
    into, out = reader.records(outputs, "data")
    assert (into.fields["octetDeltaCount"], into.fields["packetDeltaCount"]) == (3000, 30)
    assert (into.fields["ingressInterface"], into.fields["flowDirection"]) == (3, 0)
    assert (out.fields["octetDeltaCount"], out.fields["flowDirection"]) == (1500, 1)
    outputs = session.encode(make_batch({3: 4001}, second=40), at(40))
    assert reader.records(outputs, "data")[0].fields["octetDeltaCount"] == 1


def test_netflow9_counts_packets() -> None:
    session, reader = session_of("netflow9"), Reader()
    numbers = []
    for poll in range(5):
        batch = make_batch({3: 100 * poll, 4: 5 * poll}, second=poll)
        numbers += [message.sequence for message in reader.read(session.encode(batch, at(poll)))]
    assert numbers == [0, 1, 2, 3, 4]
    assert session.sequence == 5


def test_ipfix_counts_data_records_and_not_templates() -> None:
    session, reader = session_of("ipfix"), Reader()
    numbers = []
    for poll in range(4):
        batch = make_batch({3: 100 * poll, 4: 5 * poll}, second=poll)
        numbers += [message.sequence for message in reader.read(session.encode(batch, at(poll)))]
    first = 2 + OPTIONS  # then four records with each poll
    assert numbers == [0, first, first + 4, first + 8]
    assert session.sequence == first + 12


@PROTOCOLS
def test_templates_and_names_come_again_at_every_refresh(protocol: str) -> None:
    session = session_of(protocol, template_refresh=60)
    polls: dict[int, list[Output]] = {}
    for second in range(0, 200, 20):
        polls[second] = session.encode(make_batch({3: second}, second=second), at(second))
    refreshed = [second for second, outputs in polls.items() if templates(outputs)]
    assert refreshed == [0, 60, 120, 180]
    assert contents(polls[60]) == [Content.TEMPLATES, Content.COUNTERS]


@PROTOCOLS
def test_a_refresh_does_not_wait_for_a_poll(protocol: str) -> None:
    session, reader = session_of(protocol, template_refresh=5), Reader()
    assert session.due == math.inf  # without a poll there are no names to send
    assert session.refresh(at(0)) == []
    reader.read(session.encode(make_batch({3: 1}), at(0)))
    assert session.due == at(5).monotonic
    outputs = session.refresh(at(5))
    assert templates(outputs) == TEMPLATES
    assert len(names(reader, outputs)) == 1
    assert session.due == at(10).monotonic


@PROTOCOLS
def test_templates_that_did_not_get_out_are_sent_again(protocol: str) -> None:
    session = session_of(protocol)
    (output,) = session.encode(make_batch({3: 1}), at(0))
    session.settle(output, delivered=False, now=at(0))
    assert session.due == at(1).monotonic
    outputs = session.encode(make_batch({3: 2}, second=0.9), at(0.9))
    assert contents(outputs) == [Content.TEMPLATES, Content.COUNTERS]
    session.settle(outputs[0], delivered=True, now=at(0.9))
    session.settle(outputs[1], delivered=False, now=at(0.9))
    assert session.due == at(600.9).monotonic


@PROTOCOLS
def test_a_restart_brings_templates_with_the_next_poll_and_not_before(protocol: str) -> None:
    session = session_of(protocol)
    session.encode(make_batch({3: 1}), at(0))
    session.restart()
    assert session.due == at(600).monotonic
    outputs = session.encode(make_batch({3: 2}, second=1), at(1))
    assert contents(outputs) == [Content.TEMPLATES, Content.COUNTERS]
    assert contents(session.encode(make_batch({3: 2}, second=2), at(2))) == [Content.COUNTERS]


@PROTOCOLS
def test_names_are_sent_again_when_interfaces_change(protocol: str) -> None:
    session, reader = session_of(protocol), Reader()
    reader.read(session.encode(make_batch({3: 1}, names=("a",)), at(0)))
    renamed = session.encode(make_batch({3: 1}, second=1, names=("b",)), at(1))
    assert names(reader, renamed) == ["b"]
    assert templates(renamed) == 0
    added = session.encode(make_batch({3: 1, 4: 1}, second=2, names=("b", "c")), at(2))
    assert contents(added) == [Content.TEMPLATES, Content.COUNTERS]
    same = session.encode(make_batch({3: 1, 4: 1}, second=3, names=("b", "c")), at(3))
    assert contents(same) == [Content.COUNTERS]


@PROTOCOLS
def test_names_can_be_switched_off_and_on(protocol: str) -> None:
    session, reader = session_of(protocol, interface_options=False), Reader()
    outputs = session.encode(make_batch({3: 1}), at(0))
    assert templates(outputs) == TEMPLATES - 1
    assert names(reader, outputs) == []
    session.configure(config(protocol, interface_options=True))
    assert session.due < at(0).monotonic
    outputs = session.encode(make_batch({3: 1}, second=1), at(1))
    assert templates(outputs) == TEMPLATES
    assert len(names(reader, outputs)) == 1
    session.configure(config(protocol, interface_options=False))
    outputs = session.encode(make_batch({3: 1, 4: 1}, second=2), at(2))
    assert contents(outputs) == [Content.COUNTERS]


SAMPLING = {
    "netflow9": {"samplingInterval": 1, "samplingAlgorithm": 1},
    "ipfix": {"selectorAlgorithm": 3, "samplingSize": 1, "samplingPopulation": 1},
}


def sampling(reader: Reader, outputs: list[Output], protocol: str) -> list[dict[str, Value]]:
    """Read the options that tell how packets are sampled, without their scope."""
    expected = SAMPLING[protocol].keys()
    return [
        {name: record.fields[name] for name in expected}
        for record in reader.records(outputs, "options")
        if expected <= record.fields.keys()
    ]


@PROTOCOLS
def test_sampling_is_told_with_the_templates_unless_switched_off(protocol: str) -> None:
    session, reader = session_of(protocol, sampling_options=False), Reader()
    outputs = session.encode(make_batch({3: 1}), at(0))
    assert (templates(outputs), sampling(reader, outputs, protocol)) == (TEMPLATES - 1, [])
    session.configure(config(protocol))
    assert session.due < at(0).monotonic
    for second in (1, 601):
        outputs = session.refresh(at(second))
        assert templates(outputs) == TEMPLATES
        assert sampling(reader, outputs, protocol) == [SAMPLING[protocol]]


@PROTOCOLS
def test_a_changed_refresh_counts_from_the_latest_templates(protocol: str) -> None:
    session = session_of(protocol, template_refresh=600)
    session.encode(make_batch({3: 1}), at(0))
    session.configure(config(protocol, template_refresh=30))
    assert session.due == at(30).monotonic


@PROTOCOLS
def test_after_a_pause_the_next_poll_is_the_first(protocol: str) -> None:
    session, reader = session_of(protocol), Reader()
    reader.read(session.encode(make_batch({3: 10}), at(0)))
    session.forget()
    session.restart()
    outputs = session.encode(make_batch({3: 10_000}, second=500), at(500))
    assert contents(outputs) == [Content.TEMPLATES]
    reader.read(outputs)
    outputs = session.encode(make_batch({3: 10_001}, second=520), at(520))
    assert reader.records(outputs, "data")[0].fields["octetDeltaCount"] == 1


@PROTOCOLS
def test_what_an_interface_counted_before_it_was_seen_is_not_told(protocol: str) -> None:
    session, reader = session_of(protocol, interface_options=False), Reader()
    epochs = {1: 1, 3: 1}
    reader.read(session.encode(make_batch({1: 900, 2: 50}), at(0)))
    grown = []
    for second, octets in enumerate(({1: 30, 2: 60, 3: 700}, {1: 31, 2: 70, 3: 705}), 1):
        batch = make_batch(octets, second=second, epochs=epochs)
        records = reader.records(session.encode(batch, at(second)), "data")
        grown.append(
            {
                record.fields["ingressInterface"]: record.fields["octetDeltaCount"]
                for record in records
                if record.fields["flowDirection"] == 0
            }
        )
    assert grown == [{2: 10}, {1: 1, 2: 10, 3: 5}]


@PROTOCOLS
def test_records_fit_the_datagram_and_none_is_lost(protocol: str) -> None:
    session, reader = session_of(protocol, max_datagram_size=464), Reader()
    many = dict.fromkeys(range(1, 101), 5)
    first = session.encode(make_batch(many), at(0))
    second = session.encode(make_batch(many, second=1), at(1))
    sizes = [len(view) for output in first + second for view in output.datagrams]
    assert max(sizes) <= 464
    assert len(names(reader, first)) == 100
    assert len(reader.records(second, "data")) == 200


@PROTOCOLS
def test_no_interfaces_still_bring_the_templates(protocol: str) -> None:
    session = session_of(protocol)
    outputs = session.encode(make_batch({}), at(0))
    assert templates(outputs) == TEMPLATES
    assert session.encode(make_batch({}, second=1), at(1)) == []


@PROTOCOLS
def test_a_batch_counts_a_record_for_each_direction(protocol: str) -> None:
    assert session_of(protocol).count(make_batch({1: 1, 2: 2})) == 4
