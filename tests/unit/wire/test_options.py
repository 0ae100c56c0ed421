"""Option data: how packets are sampled, and the exporter's statistics."""

from __future__ import annotations

from typing import Final

import pytest
from tests.support.wire import NOW_NS, decode, fault_codes, round_trip

from flowexport_mgmt.records import Datagrams
from flowexport_mgmt.records.flows import Ignored
from flowexport_mgmt.wire import ipfix, netflow9
from flowexport_mgmt.wire.ipfix import options as options10
from flowexport_mgmt.wire.messages import Value
from flowexport_mgmt.wire.netflow9 import options as options9
from flowexport_mgmt.wire.options import ExporterStatistics, Losses, Sampler
from flowexport_mgmt.wire.templates import DataSet, Template

STATISTICS: Final = ExporterStatistics(messages=1, records=2, octets=2**40)
LOSSES: Final = Losses(flows=8, packets=9, octets=10, first_ms=11, last_ms=12)


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
    data = options10.encode_sampling([Sampler(1, 1), Sampler(2, 1000)], domain=7)
    assert fields(send10(options10.SAMPLING, *data)) == [
        {
            "observationDomainId": 7,
            "selectorId": id_,
            "selectorAlgorithm": 3,
            "samplingSize": 1,
            "samplingPopulation": population,
            "samplingInterval": population,
        }
        for id_, population in ((1, 1), (2, 1000))
    ]


def test_ipfix_tells_the_same_in_the_systematic_form() -> None:
    data = options10.encode_sampling([Sampler(1, 1), Sampler(2, 1000)], domain=7, systematic=True)
    assert fields(send10(options10.SYSTEMATIC_SAMPLING, *data)) == [
        {
            "observationDomainId": 7,
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


def test_v9_tells_the_rate_of_each_sampler() -> None:
    data = options9.encode_samplers([Sampler(2, 100), Sampler(255, 1)], domain=7)
    assert fields(send9(options9.SAMPLERS, *data)) == [
        {
            "scopeSystem": 7,
            "samplerId": id_,
            "samplerMode": mode,
            "samplerRandomInterval": rate,
            "samplingInterval": rate,
        }
        for id_, mode, rate in ((2, 2, 100), (255, 1, 1))
    ]


def test_each_sampler_has_a_set_of_its_own() -> None:
    """Some collectors read no more than the first record of a set."""
    samplers = [Sampler(1, 2)] * 3
    for data in (
        options10.encode_sampling(samplers, domain=7),
        options9.encode_samplers(samplers, domain=7),
    ):
        assert [len(one.rows) for one in data] == [1, 1, 1]


def test_ipfix_statistics_have_templates_each_with_its_scope() -> None:
    exported, ignored, unsent = fields(
        send10(
            options10.MESSAGE_STATISTICS,
            options10.METERING_RELIABILITY,
            options10.EXPORTING_RELIABILITY,
            options10.encode_message_statistics(STATISTICS, domain=7),
            options10.encode_ignored(Ignored(4, 5, 6), process_id=98),
            options10.encode_losses(LOSSES, process_id=99),
        )
    )
    assert exported == {
        "observationDomainId": 7,
        "exportedMessageTotalCount": 1,
        "exportedFlowRecordTotalCount": 2,
        "exportedOctetTotalCount": 2**40,
    }
    assert ignored == {
        "meteringProcessId": 98,
        "ignoredPacketTotalCount": 4,
        "observationTimeMilliseconds": 5,
        "observationTimeMilliseconds#2": 6,
    }
    assert unsent == {
        "exportingProcessId": 99,
        "notSentFlowTotalCount": 8,
        "notSentPacketTotalCount": 9,
        "notSentOctetTotalCount": 10,
        "observationTimeMilliseconds": 11,
        "observationTimeMilliseconds#2": 12,
    }


def test_v9_statistics_have_no_scope_but_the_system() -> None:
    exported, ignored, unsent = fields(
        send9(
            options9.STATISTICS,
            options9.IGNORED,
            options9.LOSSES,
            options9.encode_statistics(STATISTICS, domain=7),
            options9.encode_ignored(Ignored(4), domain=7),
            options9.encode_losses(LOSSES, domain=7),
        )
    )
    assert exported == {
        "scopeSystem": 7,
        "exportedMessageTotalCount": 1,
        "exportedFlowRecordTotalCount": 2,
        "exportedOctetTotalCount": 2**40,
    }
    assert ignored == {"scopeSystem": 7, "ignoredPacketTotalCount": 4}
    assert unsent == {
        "scopeSystem": 7,
        "notSentFlowTotalCount": 8,
        "notSentPacketTotalCount": 9,
        "notSentOctetTotalCount": 10,
    }


def test_losses_add_up_between_the_first_and_the_last() -> None:
    none = Losses()
    assert none.add(0, 0, 0, 5) == none
    assert none.add(1, 20, 300, 5).add(2, 30, 400, 9) == Losses(
        flows=3, packets=50, octets=700, first_ms=5, last_ms=9
    )


def test_no_two_templates_of_a_session_share_an_id() -> None:
    every10 = [
        ipfix.COUNTERS,
        ipfix.INTERFACE_TABLE,
        options10.SAMPLING,
        options10.SYSTEMATIC_SAMPLING,
        options10.MESSAGE_STATISTICS,
        options10.METERING_RELIABILITY,
        options10.EXPORTING_RELIABILITY,
    ]
    every9 = [
        netflow9.COUNTERS,
        netflow9.INTERFACE_TABLE,
        options9.SAMPLING,
        options9.SAMPLERS,
        options9.STATISTICS,
        options9.IGNORED,
        options9.LOSSES,
    ]
    for datagrams in (send10(*every10), send9(*every9)):
        assert sum(datagrams.templates) == 7
        assert fault_codes(decode(datagrams)) == []
    assert [template.id for template in every10] == [257, 513, 512, 517, 514, 515, 516]
    assert [template.id for template in every9] == [257, 513, 512, 517, 514, 515, 516]
