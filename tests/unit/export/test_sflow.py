from __future__ import annotations

import math
from dataclasses import replace
from ipaddress import ip_address

import numpy as np
import pytest
from tests.support.interfaces import make_batch
from tests.support.sessions import Reader, at, config

from flowexport_mgmt.export.output import Content
from flowexport_mgmt.export.sflow import SflowSession
from flowexport_mgmt.records import ETHERNET_DTYPE, HostCounters
from flowexport_mgmt.records.hosts import Adapter

AGENT = ip_address("192.0.2.7")


def session_of(**settings: object) -> SflowSession:
    session = SflowSession(config("sflow", **settings))
    session.agent = AGENT
    return session


def test_every_interface_is_a_sample_with_its_totals() -> None:
    session = session_of(sub_agent_id=9)
    outputs = session.encode(make_batch({3: 1000, 5: 7000}), at(0))
    (message,) = Reader().read(outputs)
    assert [output.content for output in outputs] == [Content.COUNTERS]
    assert (message.sequence, message.domain, message.uptime_ms) == (1, 9, 1_000_000)
    assert [
        (record.fields["ifIndex"], record.fields["ifInOctets"]) for record in message.records
    ] == [(3, 1000), (5, 7000)]


def test_datagrams_and_samples_are_numbered_on() -> None:
    session, reader = session_of(), Reader()
    for number in range(1, 4):
        (message,) = reader.read(session.encode(make_batch({3: 10 * number}), at(number)))
        assert message.sequence == number
        assert message.records[0].fields["sampleSequence"] == number
    assert session.sequence == 3


def test_samples_fit_the_datagram_and_none_is_lost() -> None:
    session = session_of(max_datagram_size=464)
    outputs = session.encode(make_batch(dict.fromkeys(range(1, 41), 5)), at(0))
    datagrams = outputs[0].datagrams
    assert max(len(view) for view in datagrams) <= 464
    assert len(Reader().records(outputs, "counter-sample")) == 40
    assert session.sequence == len(datagrams) == math.ceil(40 / 3)


def test_a_source_begins_anew_with_its_counters_and_others_go_on() -> None:
    session, reader = session_of(), Reader()
    reader.read(session.encode(make_batch({1: 10, 2: 10}), at(0)))
    reader.read(session.encode(make_batch({1: 20, 2: 20}), at(1)))
    outputs = session.encode(make_batch({1: 5, 2: 30}, epochs={1: 1}), at(2))
    samples = reader.records(outputs, "counter-sample")
    assert [sample.fields["sampleSequence"] for sample in samples] == [1, 3]
    outputs = session.encode(make_batch({1: 6, 2: 30}, epochs={1: 1}), at(3))
    samples = reader.records(outputs, "counter-sample")
    assert [sample.fields["sampleSequence"] for sample in samples] == [2, 4]


def test_a_source_that_left_and_came_back_begins_anew() -> None:
    session = session_of()
    for batch in (make_batch({1: 1, 9: 1}), make_batch({1: 1}), make_batch({1: 1, 9: 1})):
        outputs = session.encode(batch, at(0))
    samples = Reader().records(outputs, "counter-sample")
    assert {s.fields["ifIndex"]: s.fields["sampleSequence"] for s in samples} == {1: 3, 9: 1}


def test_no_interfaces_make_no_datagram() -> None:
    session = session_of()
    (output,) = session.encode(make_batch({}), at(0))
    assert len(output.datagrams) == 0
    assert session.sequence == 0


def test_settings_change_without_a_new_session() -> None:
    session, reader = session_of(), Reader()
    reader.read(session.encode(make_batch({1: 1}), at(0)))
    session.configure(config("sflow", max_datagram_size=464))
    outputs = session.encode(make_batch(dict.fromkeys(range(1, 9), 5)), at(1))
    assert reader.read(outputs)[0].sequence == 2
    assert max(len(view) for view in outputs[0].datagrams) <= 464


def test_nothing_is_sent_without_an_agent_address() -> None:
    session = SflowSession(config("sflow"))
    with pytest.raises(ValueError, match="agent address"):
        session.encode(make_batch({1: 1}), at(0))


def test_there_is_nothing_to_refresh() -> None:
    session = session_of()
    session.encode(make_batch({1: 1}), at(0))
    assert session.due == math.inf
    assert session.refresh(at(1e6)) == []


def host(epoch: int = 0, adapters: int = 0) -> HostCounters:
    listed = tuple(Adapter(index, (bytes(6),)) for index in range(1, adapters + 1))
    return HostCounters(counters={2003: {"cpuNum": 8}}, epoch=epoch, adapters=listed)


def test_the_host_has_a_sample_with_numbers_of_its_own() -> None:
    session, reader = session_of(), Reader()
    numbers = []
    for second, epoch in enumerate((0, 0, 1, 1)):
        batch = replace(make_batch({3: 10}), host=host(epoch))
        records = reader.records(session.encode(batch, at(second)), "counter-sample")
        interface, told = (record.fields for record in records)
        assert (told["sourceType"], told["sourceIndex"], told["cpuNum"]) == (2, 1, 8)
        numbers.append((interface["sampleSequence"], told["sampleSequence"]))
    assert numbers == [(1, 1), (2, 2), (3, 1), (4, 2)]
    assert session.sequence == 8
    assert session.count(batch) == 2


def test_adapters_that_do_not_fit_are_counted_as_skipped() -> None:
    session = session_of(max_datagram_size=464)
    outputs = session.encode(replace(make_batch({}), host=host(adapters=100)), at(0))
    (described, _) = Reader().records(outputs, "counter-sample")
    listed = sum(name.startswith("adapter") for name in described.fields)
    assert 0 < listed < 100
    assert session.skipped == 100 - listed


def test_what_a_driver_counts_goes_with_its_interface() -> None:
    ethernet = np.zeros(1, ETHERNET_DTYPE)
    ethernet["ifindex"], ethernet["fcs_errors"] = 3, 17
    outputs = session_of().encode(replace(make_batch({3: 1, 4: 1}), ethernet=ethernet), at(0))
    samples = Reader().records(outputs, "counter-sample")
    assert {s.fields["ifIndex"]: s.fields.get("dot3StatsFCSErrors") for s in samples} == {
        4: None,
        3: 17,
    }


def test_a_batch_counts_a_record_for_each_interface() -> None:
    assert session_of().count(make_batch({1: 1, 2: 2, 3: 3})) == 3
