from __future__ import annotations

from typing import Any

import pytest

from flowexport_mgmt.collect.tally import Exporter, Tally
from flowexport_mgmt.collect.traffic import Direction
from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.messages import Message, Record, Value

SOURCE = ("192.0.2.7", 40_000)


def message(
    protocol: str, *records: Record, at: int = 0, source: tuple[str, int] = SOURCE, **more: Any
) -> Message:
    return Message(protocol, source, at, records=records, **more)


def sample(sequence: int, **counters: Value) -> Record:
    fields: dict[str, Value] = {"sampleSequence": sequence, "ifIndex": 7, **counters}
    return Record("counter-sample", fields, 0)


def data(**fields: Value) -> Record:
    return Record("data", fields, 0)


def only(tally: Tally) -> Exporter:
    (exporter,) = tally.exporters.values()
    return exporter


def directions(tally: Tally, index: int = 7) -> tuple[Direction, Direction]:
    return only(tally).interfaces[index].directions


def test_samples_count_from_the_first_and_are_timed_by_the_agents_uptime() -> None:
    tally = Tally()
    first = {"ifInOctets": 10**6, "ifInUcastPkts": 10, "ifInMulticastPkts": 5, "ifOutOctets": 0}
    second = {
        "ifInOctets": 10**6 + 500,
        "ifInUcastPkts": 17,
        "ifInMulticastPkts": 8,
        "ifOutOctets": 40,
    }  # fmt: skip - two columns
    tally.receive(6343, message("sflow", sample(5, **first), uptime_ms=1_000))
    assert directions(tally)[0] == Direction()
    tally.receive(6343, message("sflow", sample(6, **second), uptime_ms=3_000))
    assert directions(tally) == (Direction(500, 10, 250.0, 5.0), Direction(40, 0, 20.0, 0.0))


def test_sample_counters_and_uptime_wrap_at_their_own_width() -> None:
    tally = Tally()
    near = {"ifInOctets": 2**64 - 10, "ifInUcastPkts": 2**32 - 1}
    over = {"ifInOctets": 90, "ifInUcastPkts": 4}
    tally.receive(6343, message("sflow", sample(5, **near), uptime_ms=2**32 - 500))
    tally.receive(6343, message("sflow", sample(6, **over), uptime_ms=500))
    assert directions(tally)[0] == Direction(100, 5, 100.0, 5.0)


def test_samples_that_began_anew_are_a_new_baseline() -> None:
    tally = Tally()
    for sequence, octets, uptime in ((5, 1000, 0), (1, 10, 1_000), (2, 30, 2_000)):
        record = sample(sequence, ifInOctets=octets)
        tally.receive(6343, message("sflow", record, uptime_ms=uptime))
    assert directions(tally)[0] == Direction(20, 0, 20.0, 0.0)


def test_counters_that_an_agent_does_not_keep_count_nothing() -> None:
    tally = Tally()
    for sequence, packets in ((5, None), (6, 10)):
        record = sample(sequence, ifInOctets=sequence, ifInUcastPkts=packets)
        tally.receive(6343, message("sflow", record, uptime_ms=sequence * 1_000))
    assert directions(tally)[0] == Direction(1, 0, 1.0, 0.0)


@pytest.mark.parametrize(
    "times",
    [
        {"flowStartMilliseconds": 10**12, "flowEndMilliseconds": 10**12 + 2_000},
        {"flowStartSysUpTime": 2**32 - 500, "flowEndSysUpTime": 1_500},
    ],
    ids=["milliseconds", "uptime"],
)
def test_data_of_an_interval_has_rates_by_direction(times: dict[str, Value]) -> None:
    tally = Tally()
    ingress = data(
        octetDeltaCount=500,
        packetDeltaCount=10,
        ingressInterface=7,
        egressInterface=0,
        flowDirection=0,
        **times,
    )  # fmt: skip - two columns
    egress = data(
        octetDeltaCount=80,
        packetDeltaCount=2,
        ingressInterface=0,
        egressInterface=7,
        flowDirection=1,
        **times,
    )  # fmt: skip - two columns
    tally.receive(4739, message("ipfix", ingress, egress))
    assert set(only(tally).interfaces) == {7}
    assert directions(tally) == (Direction(500, 10, 250.0, 5.0), Direction(80, 2, 40.0, 1.0))


def test_flows_of_one_message_are_added_up_for_both_their_interfaces() -> None:
    tally = Tally()
    flows = [
        data(
            octetDeltaCount=100,
            packetDeltaCount=1,
            ingressInterface=7,
            egressInterface=8,
            flowStartMilliseconds=start,
            flowEndMilliseconds=start + 1_000,
        )
        for start in (0, 3_000)
    ]  # fmt: skip - two columns
    tally.receive(4739, message("ipfix", *flows))
    assert directions(tally, 7) == (Direction(200, 2, 50.0, 0.5), Direction())
    assert directions(tally, 8) == (Direction(), Direction(200, 2, 50.0, 0.5))


def test_totals_grow_and_the_latest_rate_counts() -> None:
    tally = Tally()
    for octets in (1_000, 3_000):
        record = data(
            octetDeltaCount=octets,
            ingressInterface=7,
            flowDirection=0,
            flowStartMilliseconds=0,
            flowEndMilliseconds=1_000,
        )  # fmt: skip - columns
        tally.receive(4739, message("ipfix", record, at=octets))
    assert directions(tally)[0] == Direction(4_000, 0, 3_000.0, 0.0)
    interface = only(tally).interfaces[7]
    assert list(interface.history) == [1_000.0, 3_000.0]
    assert interface.seen_ns == 3_000


def test_records_without_a_time_have_totals_but_no_rate() -> None:
    tally = Tally()
    tally.receive(2055, message("netflow9", data(octetDeltaCount=5, ingressInterface=7)))
    assert directions(tally)[0] == Direction(5, 0, None, None)
    assert list(only(tally).interfaces[7].history) == []


@pytest.mark.parametrize("scope", ["scopeInterface", "ingressInterface"])
def test_names_are_shared_by_all_that_comes_from_an_address(scope: str) -> None:
    tally = Tally()
    table = Record("options", {scope: 7, "interfaceName": "eth0"}, 0)
    tally.receive(4739, message("ipfix", table))
    tally.receive(6343, message("sflow", sample(1), uptime_ms=0))
    other = message("sflow", sample(1), uptime_ms=0, source=("192.0.2.8", 1))
    tally.receive(6343, other)
    exporters = {(key.port, key.address): one for key, one in tally.exporters.items()}
    assert tally.name(exporters[6343, "192.0.2.7"], 7) == "eth0"
    assert tally.name(exporters[6343, "192.0.2.8"], 7) == "#7"
    assert tally.name(exporters[6343, "192.0.2.7"], 9) == "#9"


def test_datagrams_faults_and_losses_are_counted_for_each_exporter() -> None:
    tally = Tally()
    faults = (DecodeError("sequence-gap", "3 lost"), DecodeError("set-id", "7"))
    tally.receive(4739, message("ipfix", data(), data(), faults=faults, lost=3))
    tally.receive(4739, message("ipfix"))
    tally.receive(4740, message("ipfix"))
    assert (tally.datagrams, tally.records, tally.faults) == (3, 2, 2)
    first = next(iter(tally.exporters.values()))
    assert (first.datagrams, first.records, first.faults) == (2, 2, 2)
    assert (first.lost, first.sequence_errors) == (3, 1)
    assert len(tally.exporters) == 2


def test_exporters_and_interfaces_are_bounded() -> None:
    tally = Tally()
    for number in range(1_100):
        tally.receive(1, message("ipfix", source=(f"host-{number}", 1)))
    flows = [data(octetDeltaCount=1, ingressInterface=number) for number in range(17_000)]
    tally.receive(1, message("ipfix", *flows, source=("host-0", 1)))
    names = [
        Record("options", {"scopeInterface": number, "interfaceName": "x"}, 0)
        for number in range(17_000)
    ]
    tally.receive(1, message("ipfix", *names, source=("host-0", 1)))
    assert len(tally.exporters) == 1_024
    kept = tally.exporters[next(iter(tally.exporters))]
    assert len(kept.interfaces) == 16_384
    assert tally.name(kept, 16_999) == "#16999"
    assert tally.datagrams == 1_102


def test_names_of_interfaces_are_cut() -> None:
    tally = Tally()
    record = Record("options", {"scopeInterface": 7, "interfaceName": "x" * 60_000}, 0)
    tally.receive(1, message("ipfix", record))
    assert tally.name(next(iter(tally.exporters.values())), 7) == "x" * 64
