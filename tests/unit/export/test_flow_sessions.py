"""Flow records in sessions: their layouts, the domain of sampled ones, what is told of losses."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.support.flows import Row, flow_batch
from tests.support.interfaces import make_batch
from tests.support.sessions import OPTIONS, TEMPLATES, Reader, Script, at, config

from flowexport_mgmt.export.collector import Collector
from flowexport_mgmt.export.netflow import IpfixSession, Netflow9Session, TemplateSession
from flowexport_mgmt.export.netflow5 import Netflow5Session
from flowexport_mgmt.export.output import Content, Output
from flowexport_mgmt.model.flow_export import RecordFormat, SamplingOptionsFormat
from flowexport_mgmt.records import FlowBatch
from flowexport_mgmt.records.flows import Ignored
from flowexport_mgmt.wire.messages import Message, Record, Value

CLASSIC, EXTENDED = RecordFormat.CLASSIC, RecordFormat.EXTENDED
PROTOCOLS = pytest.mark.parametrize("protocol", ["netflow9", "ipfix"])
TIMES = {"start_ms": at(0).unix_ns // 10**6 - 2000, "end_ms": at(0).unix_ns // 10**6 - 1000}
PAIR: Row = {
    "src": "10.0.0.1",
    "dst": "198.51.100.7",
    "nat_src": "192.0.2.1",
    "nat_dst": "198.51.100.7",
    "octets": 1000,
    "packets": 10,
    "reverse_octets": 500,
    "reverse_packets": 5,
}


def session_of(protocol: str, **settings: Any) -> TemplateSession:
    made = {"netflow9": Netflow9Session, "ipfix": IpfixSession}[protocol]
    return made(config(protocol, **settings))


def flows(*rows: Row, version: Any = 4) -> FlowBatch:
    return flow_batch([{**TIMES, **row} for row in rows], version)


def sampled(*pairs: tuple[int, int], version: Any = 4) -> FlowBatch:
    """Make a record for each pair of selector and rate."""
    return flows(*({"sampler": id_, "sampling_rate": rate} for id_, rate in pairs), version=version)


def data_sets(outputs: list[Output]) -> list[int]:
    """List the ids of the sets of flow records."""
    found = []
    for output in outputs:
        if output.content is Content.FLOWS:
            for view in output.datagrams:
                head = 20 if view[1] == 9 else 16
                found.append(int.from_bytes(view[head : head + 2], "big"))
    return found


def data(messages: list[Message]) -> list[Record]:
    return [one for message in messages for one in message.records if one.kind == "data"]


def options(messages: list[Message], *names: str) -> list[tuple[Value, ...]]:
    """Take fields of the option records that have all of them."""
    return [
        tuple(one.fields[name] for name in names)
        for message in messages
        for one in message.records
        if one.kind == "options" and set(names) <= one.fields.keys()
    ]


# Layouts.


@PROTOCOLS
def test_the_record_format_says_which_template_flows_of_ipv4_have(protocol: str) -> None:
    for record_format, expected in ((CLASSIC, 256), (EXTENDED, 258)):
        session, reader = session_of(protocol, record_format=record_format), Reader()
        outputs = session.encode(flows({}), at(0))
        reader.read(outputs)
        assert data_sets(outputs) == [expected]
        outputs = session.encode(flows({}, version=6), at(1))
        reader.read(outputs)
        assert data_sets(outputs) == [259]


@PROTOCOLS
def test_another_format_has_another_template_id_and_announces_everything(protocol: str) -> None:
    session, reader = session_of(protocol), Reader()
    used = []
    for second, record_format in enumerate((EXTENDED, CLASSIC, EXTENDED)):
        session.configure(config(protocol, record_format=record_format))
        outputs = session.encode(flows({}), at(second))
        reader.read(outputs)
        assert [output.content for output in outputs] == [Content.TEMPLATES, Content.FLOWS]
        assert sum(outputs[0].datagrams.templates) == TEMPLATES + 1
        used += data_sets(outputs)
    assert used == [258, 256, 258]


@PROTOCOLS
def test_flows_that_know_both_directions_are_two_records(protocol: str) -> None:
    session = session_of(protocol)
    assert session.count(flows(PAIR, PAIR)) == 4
    one_way = flows({**PAIR, "reverse_octets": 0, "reverse_packets": 0}, PAIR)
    assert session.count(one_way) == 3
    there, back = data(Reader().read(session.encode(flows(PAIR), at(0))))
    assert (there.fields["octetDeltaCount"], back.fields["octetDeltaCount"]) == (1000, 500)
    assert there.fields["postNATSourceIPv4Address"] == "192.0.2.1"
    assert back.fields["destinationIPv4Address"] == "192.0.2.1"
    assert back.fields["postNATDestinationIPv4Address"] == "10.0.0.1"


def test_biflows_stay_whole_where_they_are_asked_for() -> None:
    session, reader = session_of("ipfix", biflow=True), Reader()
    outputs = session.encode(flows(PAIR), at(0))
    (record,) = data(reader.read(outputs))
    assert data_sets(outputs) == [262]
    assert session.count(flows(PAIR)) == 1
    assert record.fields["reverseOctetDeltaCount"] == 500
    session.configure(config("ipfix"))
    outputs = session.encode(flows(PAIR), at(1))
    assert len(data(reader.read(outputs))) == 2
    assert data_sets(outputs) == [260]


def test_netflow5_sends_both_directions() -> None:
    session = Netflow5Session(config("netflow5"))
    assert session.count(flows(PAIR)) == 2
    assert len(data(Reader().read(session.encode(flows(PAIR), at(0))))) == 2


# Sampled packets.


@PROTOCOLS
def test_flows_of_sampled_packets_have_the_next_domain_and_its_numbers(protocol: str) -> None:
    session, reader = session_of(protocol, observation_domain=7), Reader()
    seen: list[tuple[int | None, int]] = []
    for second in range(3):
        for batch in (flows({}), sampled((3, 100))):
            messages = reader.read(session.encode(batch, at(second)))
            seen += [(message.domain, message.sequence or 0) for message in messages]
    for domain in (7, 8):
        numbers = [number for where, number in seen if where == domain]
        assert numbers[0] == 0
        assert numbers == sorted(set(numbers))
    own = [number for where, number in seen if where == 7]
    assert session.sequence == own[-1] + 1


@PROTOCOLS
def test_a_sampler_is_told_of_before_its_records_and_when_it_changes(protocol: str) -> None:
    session, reader = session_of(protocol), Reader()
    told = []
    steps = [((3, 100),), ((3, 100),), ((3, 100), (4, 50)), ((3, 200),), ((3, 200),)]
    for second, pairs in enumerate(steps):
        outputs = session.encode(sampled(*pairs), at(second))
        assert outputs[-1].content is Content.FLOWS
        messages = reader.read(outputs)
        told.append(options(messages, "samplingInterval"))
        assert [one.fields["samplingInterval"] for one in data(messages)] == [
            rate for _, rate in pairs
        ]
    assert told == [[(100,)], [], [(50,)], [(200,)], []]


def test_ipfix_names_the_selectors_as_their_records_do() -> None:
    session, reader = session_of("ipfix"), Reader()
    messages = reader.read(session.encode(sampled((70_000, 100), (4, 50)), at(0)))
    names = ("selectorId", "selectorAlgorithm", "samplingSize", "samplingPopulation")
    assert options(messages, *names) == [(4, 3, 1, 50), (70_000, 3, 1, 100)]
    assert [one.fields["selectorId"] for one in data(messages)] == [70_000, 4]
    messages = reader.read(session.encode(flows({}), at(1)))
    assert options(messages, *names) == [(1, 3, 1, 1)]
    assert [one.fields["selectorId"] for one in data(messages)] == [1]


def test_netflow9_names_samplers_by_their_rate_in_8_bits() -> None:
    session, reader = session_of("netflow9"), Reader()
    every = [(70_000 + number, 1 + number) for number in range(300)]
    told: dict[Value, Value] = {}
    for second, pair in enumerate(every):
        messages = reader.read(session.encode(sampled(pair), at(second)))
        pairs = options(messages, "samplerId", "samplerRandomInterval")
        told |= {pair[0]: pair[1] for pair in pairs}
        (record,) = data(messages)
        assert told[record.fields["samplerId"]] == pair[1]
    assert set(told) == set(range(1, 256))
    (record,) = data(reader.read(session.encode(sampled((9, 300)), at(300))))
    assert told[record.fields["samplerId"]] == 300


def test_the_systematic_form_has_a_template_of_its_own() -> None:
    systematic = SamplingOptionsFormat.SYSTEMATIC
    session, reader = session_of("ipfix"), Reader()
    reader.read(session.encode(sampled((3, 100)), at(0)))
    session.configure(config("ipfix", sampling_options_format=systematic))
    assert session.due < at(0).monotonic
    messages = reader.read(session.refresh(at(1)))
    names = ("selectorId", "selectorAlgorithm", "samplingPacketInterval", "samplingPacketSpace")
    assert options(messages, *names) == [(3, 1, 1, 99)]


@PROTOCOLS
def test_samplers_are_learnt_where_option_data_is_off_and_told_once_it_is_on(protocol: str) -> None:
    session, reader = session_of(protocol, sampling_options=False), Reader()
    messages = reader.read(session.encode(sampled((3, 100)), at(0)))
    assert options(messages, "samplingInterval") == []
    session.configure(config(protocol))
    messages = reader.read(session.refresh(at(1)))
    assert options(messages, "samplingInterval") == [(100,)]


@PROTOCOLS
def test_each_domain_refreshes_what_it_has_told(protocol: str) -> None:
    session, reader = session_of(protocol, template_refresh=30), Reader()
    reader.read(session.encode(make_batch({3: 1}, names=("wan",)), at(0)))
    messages = reader.read(session.encode(sampled((3, 100)), at(10)))
    assert options(messages, "interfaceName") == [("wan",)]
    assert session.due == at(30).monotonic
    assert {message.domain for message in reader.read(session.refresh(at(30)))} == {0}
    assert session.due == at(40).monotonic
    outputs = session.refresh(at(40))
    assert {message.domain for message in reader.read(outputs)} == {1}
    assert sum(sum(output.datagrams.templates) for output in outputs) == OPTIONS + 1


@PROTOCOLS
def test_a_changed_name_is_told_in_the_domain_of_sampled_packets_too(protocol: str) -> None:
    session, reader = session_of(protocol), Reader()
    for second, name in enumerate(("wan", "wan", "lan")):
        reader.read(session.encode(make_batch({3: 1}, second=second, names=(name,)), at(second)))
        messages = reader.read(session.encode(sampled((3, 100)), at(second)))
        assert options(messages, "interfaceName") == ([] if second == 1 else [(name,)])


@PROTOCOLS
def test_templates_of_the_second_domain_are_sent_again_when_they_did_not_get_out(
    protocol: str,
) -> None:
    session = session_of(protocol)
    session.encode(make_batch({3: 1}), at(0))
    output, _ = session.encode(sampled((3, 100)), at(0))
    session.settle(output, delivered=False, now=at(0))
    assert session.due == at(1).monotonic
    assert [output.domain for output in session.refresh(at(1))] == [1]


def test_the_domain_after_the_last_is_the_first() -> None:
    session = session_of("ipfix", observation_domain=0xFFFFFFFF)
    assert {output.domain for output in session.encode(sampled((3, 100)), at(0))} == {0}


def test_netflow5_sends_sampled_packets_as_the_next_engine() -> None:
    session, reader = Netflow5Session(config("netflow5", observation_domain=0x1FF)), Reader()
    seen = []
    for second in range(2):
        for batch in (flows({}, {}), sampled((3, 100), (4, 0x3FFF), (5, 0x4000))):
            messages = reader.read(session.encode(batch, at(second)))
            seen += [(one.domain, one.sequence, len(one.records)) for one in messages]
    assert seen == [
        *((0x1FF, 0, 2), (0x200, 0, 1), (0x200, 1, 1)),
        *((0x1FF, 2, 2), (0x200, 2, 1), (0x200, 3, 1)),
    ]
    assert (session.sequence, session.skipped) == (4, 2)


# What was sent, and what was not.


def losses(messages: list[Message]) -> list[tuple[Value, ...]]:
    names = ("notSentFlowTotalCount", "notSentPacketTotalCount", "notSentOctetTotalCount")
    return options(messages, *names)


def sent(messages: list[Message]) -> list[tuple[Value, ...]]:
    names = ("exportedMessageTotalCount", "exportedFlowRecordTotalCount")
    return options(messages, *names)


class Life:
    """A collector over a sender whose errors a test decides."""

    def __init__(self, protocol: str, *errors: int, **settings: Any) -> None:
        self.sender = Script(*errors)
        made = config(protocol, max_datagram_size=464, **settings)
        self.collector = Collector(made, at(0), lambda *_: None)
        self.collector.configure(made, self.sender, at(0))

    def export(self, batch: FlowBatch, second: float) -> None:
        self.collector.generate(batch, at(second))
        self.transmit(second)

    def transmit(self, second: float) -> None:
        while self.collector.pending:
            self.collector.transmit(16, at(second))

    def told(self, read: Callable[[list[Message]], list[tuple[Value, ...]]]) -> tuple[Value, ...]:
        """Read what the latest option data say."""
        self.collector.session.restart()
        self.collector.refresh(at(700))
        before = len(self.sender.datagrams)
        self.transmit(700)
        reader = Reader()
        news = [reader.decode(octets) for octets in self.sender.datagrams[before:]]
        return read(news)[-1]


@PROTOCOLS
def test_each_domain_tells_what_it_sent(protocol: str) -> None:
    life = Life(protocol)
    for second in range(3):
        life.export(flows({}, {}), second)
    life.export(sampled((3, 100)), 3)
    messages, records = life.told(sent)  # the domain of sampled packets comes last
    assert (messages, records) == (2, 1)
    (own,) = [one for one in _refreshed(life) if one[1] != 1]
    assert own[1] == 6


def _refreshed(life: Life) -> list[tuple[Value, ...]]:
    reader = Reader()
    return sent([reader.decode(octets) for octets in life.sender.datagrams[-2:]])


@PROTOCOLS
def test_flows_in_datagrams_that_failed_are_told_of_with_what_they_counted(protocol: str) -> None:
    life = Life(protocol, 0, 0, 0, errno.EPERM, 0)
    rows: list[Row] = [{"packets": 1 + n, "octets": 100 * (1 + n)} for n in range(15)]
    life.export(flows(*rows), 1)
    accepted = data(list(map(Reader(quiet=True).decode, life.sender.datagrams)))
    packets = sum(int(one.fields["packetDeltaCount"] or 0) for one in accepted)
    octets = sum(int(one.fields["octetDeltaCount"] or 0) for one in accepted)
    assert 0 < len(accepted) < 15
    assert life.told(losses) == (15 - len(accepted), 120 - packets, 12_000 - octets)


@PROTOCOLS
def test_flows_that_waited_when_the_socket_went_are_told_of(protocol: str) -> None:
    life = Life(protocol)
    life.export(flows({}), 0)
    life.collector.generate(flows({"packets": 3}, {"packets": 4}), at(1))
    life.collector.fail("gone", at(1))
    life.sender = Script()
    life.collector.configure(life.collector.config, life.sender, at(2))
    assert life.told(losses)[:2] == (2, 7)


@PROTOCOLS
def test_batches_that_were_missed_are_told_of(protocol: str) -> None:
    life = Life(protocol)
    session = life.collector.session
    assert session.count_missed(flows(PAIR), at(5)) == 2
    assert session.count_missed(make_batch({1: 1}), at(6)) == 2
    life.export(flows({}), 7)
    assert life.told(losses) == (2, 15, 1500)


def test_ipfix_says_when_flows_were_lost() -> None:
    life = Life("ipfix")
    for second in (5, 6, 9):
        life.collector.session.count_missed(flows({}), at(second))
    life.export(flows({}), 10)
    names = ("observationTimeMilliseconds", "observationTimeMilliseconds#2")
    told = life.told(lambda messages: options(messages, *names))
    assert told == (at(5).unix_ns // 10**6, at(9).unix_ns // 10**6)


@PROTOCOLS
def test_what_sampling_lost_is_told_in_the_domain_of_sampled_packets(protocol: str) -> None:
    session, reader = session_of(protocol, template_refresh=30, observation_domain=7), Reader()
    told = []
    for second, packets in ((0, 0), (10, 5), (40, 9)):
        batch = replace(sampled((3, 100)), ignored=Ignored(packets, 1, 2))
        messages = reader.read(session.encode(batch, at(second)))
        told += options(messages, "ignoredPacketTotalCount")
        assert {message.domain for message in messages} == {8}
    assert told == [(0,), (9,)]
