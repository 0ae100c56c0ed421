"""Option data: how packets are sampled, and the exporter's statistics."""

from __future__ import annotations

from typing import Final

import pytest
from tests.support.wire import NOW_NS, decode, fault_codes, round_trip

from flowexport_mgmt.records import Datagrams
from flowexport_mgmt.wire import ipfix, netflow9
from flowexport_mgmt.wire.ipfix import options as options10
from flowexport_mgmt.wire.messages import Value
from flowexport_mgmt.wire.netflow9 import options as options9
from flowexport_mgmt.wire.options import ExporterStatistics, Sampler
from flowexport_mgmt.wire.templates import DataSet, Template

STATISTICS: Final = ExporterStatistics(
    messages=1,
    records=2,
    octets=2**40,
    ignored_packets=4,
    ignored_octets=5,
    ignored_ms=(6, 7),
    unsent_flows=8,
    unsent_packets=9,
    unsent_octets=10,
    unsent_ms=(11, 12),
)


def send10(*sets: Template | DataSet) -> Datagrams:
    return ipfix.compose(sets, domain=7, sequence=0, export_time_s=NOW_NS // 10**9, max_size=1400)


def send9(*sets: Template | DataSet) -> Datagrams:
    return netflow9.compose(
        sets, domain=7, sequence=0, uptime_ms=5, export_time_s=NOW_NS // 10**9, max_size=1400
    )


def fields(datagrams: Datagrams) -> list[dict[str, Value]]:
    records = round_trip(datagrams, 1400)
    assert {record.kind for record in records} == {"options"}
    return [record.fields for record in records]


def test_ipfix_tells_of_random_sampling_by_selector() -> None:
    data = options10.encode_sampling([Sampler(1, 1), Sampler(2, 1000)])
    assert fields(send10(options10.SAMPLING, *data)) == [
        {
            "selectorId": id_,
            "selectorAlgorithm": 3,
            "samplingSize": 1,
            "samplingPopulation": population,
        }
        for id_, population in ((1, 1), (2, 1000))
    ]


def test_ipfix_tells_the_same_in_the_systematic_form() -> None:
    data = options10.encode_sampling([Sampler(1, 1), Sampler(2, 1000)], systematic=True)
    assert fields(send10(options10.SYSTEMATIC_SAMPLING, *data)) == [
        {
            "selectorId": id_,
            "selectorAlgorithm": 1,
            "samplingPacketInterval": 1,
            "samplingPacketSpace": space,
        }
        for id_, space in ((1, 0), (2, 999))
    ]


@pytest.mark.parametrize(("rate", "algorithm"), [(1, 1), (2, 2), (1_000_000, 2)])
def test_v9_tells_the_rate_of_the_source(rate: int, algorithm: int) -> None:
    data = options9.encode_sampling(rate, domain=7)
    (record,) = fields(send9(options9.SAMPLING, data))
    assert record == {
        "scopeSystem": 7,
        "samplingInterval": rate,
        "samplingAlgorithm": algorithm,
    }


def test_v9_tells_the_rate_of_each_interface() -> None:
    data = options9.encode_interface_sampling([(2, 100), (70_000, 1)])
    records = fields(send9(options9.INTERFACE_SAMPLING, *data))
    assert [(record["scopeInterface"], record["samplingInterval"]) for record in records] == [
        (2, 100),
        (70_000, 1),
    ]


def test_each_sampler_has_a_set_of_its_own() -> None:
    """Some collectors read no more than the first record of a set."""
    assert [len(data.rows) for data in options10.encode_sampling([Sampler(1, 2)] * 3)] == [1, 1, 1]
    assert [len(data.rows) for data in options9.encode_interface_sampling([(1, 2)] * 3)] == [1] * 3


def test_ipfix_statistics_have_three_templates_each_with_its_scope() -> None:
    data = options10.encode_statistics(STATISTICS, domain=7, process_id=99)
    exported, ignored, unsent = fields(send10(*options10.STATISTICS, *data))
    assert exported == {
        "observationDomainId": 7,
        "exportedMessageTotalCount": 1,
        "exportedFlowRecordTotalCount": 2,
        "exportedOctetTotalCount": 2**40,
    }
    times = ("observationTimeMilliseconds", "observationTimeMilliseconds#2")
    assert ignored == {
        "meteringProcessId": 99,
        "ignoredPacketTotalCount": 4,
        "ignoredOctetTotalCount": 5,
        **dict(zip(times, (6, 7), strict=True)),
    }
    assert unsent == {
        "exportingProcessId": 99,
        "notSentFlowTotalCount": 8,
        "notSentPacketTotalCount": 9,
        "notSentOctetTotalCount": 10,
        **dict(zip(times, (11, 12), strict=True)),
    }


def test_v9_statistics_are_those_that_it_has_fields_for() -> None:
    data = options9.encode_statistics(STATISTICS, domain=7)
    assert fields(send9(options9.STATISTICS, data)) == [
        {
            "scopeSystem": 7,
            "exportedMessageTotalCount": 1,
            "exportedFlowRecordTotalCount": 2,
            "exportedOctetTotalCount": 2**40,
        }
    ]


def test_no_two_templates_of_a_session_share_an_id() -> None:
    every10 = [
        ipfix.COUNTERS,
        ipfix.INTERFACE_TABLE,
        options10.SAMPLING,
        options10.SYSTEMATIC_SAMPLING,
        *options10.STATISTICS,
    ]
    every9 = [
        netflow9.COUNTERS,
        netflow9.INTERFACE_TABLE,
        options9.SAMPLING,
        options9.INTERFACE_SAMPLING,
        options9.STATISTICS,
    ]
    for datagrams, count in ((send10(*every10), 7), (send9(*every9), 5)):
        assert sum(datagrams.templates) == count
        assert fault_codes(decode(datagrams)) == []
    assert [template.id for template in every10] == [257, 513, 512, 517, 514, 515, 516]
    assert [template.id for template in every9] == [257, 513, 512, 517, 514]
