"""Simulated flows from their beginning to their last record."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Literal

import numpy as np
import pytest

from flowexport_mgmt.simulator.draw import make_generator
from flowexport_mgmt.simulator.flows import Export, FlowTable, Timeouts
from flowexport_mgmt.simulator.places import Places
from flowexport_mgmt.simulator.roles import ICMP, ROLES, TCP

NOW = 1_700_000_000_000
DEVICES = 20
TICK = 5000
ALL = slice(0, DEVICES)
SYN, FIN_OR_RST = 0x02, 0x05


def make_table(role: str = "edge-router", seed: int = 1, version: Literal[4, 6] = 4) -> FlowTable:
    return FlowTable(
        ROLES[role],
        Places(DEVICES, 0, 4, version),
        Timeouts(30_000, 15_000),
        make_generator(seed, "group"),
        NOW,
    )


def run(table: FlowTable, ticks: int, devices: slice = ALL) -> list[tuple[int, Export]]:
    found = []
    for tick in range(1, ticks + 1):
        now = NOW + tick * TICK
        export = table.report(devices, now)
        if len(export.flows):
            found.append((now, export))
    return found


@pytest.mark.parametrize("role", ROLES)
def test_records_are_plausible(role: str) -> None:
    for now, export in run(make_table(role), 40):
        flows = export.flows
        assert (flows.start_ms <= flows.end_ms).all()
        assert (flows.end_ms <= now).all()
        assert (flows.packets >= 1).all()
        assert (flows.octets >= flows.packets * 39).all()
        assert (np.diff(export.devices) >= 0).all()
        assert export.devices.max() < DEVICES
        assert set(np.unique(flows.in_if)) <= {1, 2, 3, 4}
        assert not (flows.in_if == flows.out_if).any()
        assert flows.icmp is not None
        assert ((flows.icmp > 0) == (flows.protocol == ICMP)).all()


Key = tuple[int, ...]


def group(exports: list[tuple[int, Export]]) -> dict[Key, list[tuple[int, int, int, int, int]]]:
    """Gather the records of each flow: end, octets, packets, flags and reason."""
    found: dict[Key, list[tuple[int, int, int, int, int]]] = defaultdict(list)
    for _, export in exports:
        flows = export.flows
        assert flows.tcp_flags is not None
        assert flows.end_reason is not None
        keys = (export.devices, flows.src, flows.dst, flows.src_port, flows.dst_port)
        columns = (flows.end_ms, flows.octets, flows.packets, flows.tcp_flags, flows.end_reason)
        parts = (*keys, flows.protocol, flows.start_ms)
        names = zip(*(part.tolist() for part in parts), strict=True)
        records = zip(*(part.tolist() for part in columns), strict=True)
        for key, record in zip(names, records, strict=True):
            found[key].append(record)
    return found


def test_a_long_flow_stays_the_same_flow_until_it_ends() -> None:
    flows = group(run(make_table(), 80))
    long = [records for records in flows.values() if len(records) > 2]
    assert len(long) > 100
    for records in long:
        ends = [record[0] for record in records]
        assert ends == sorted(ends)
        assert all(reason == 2 for *_, reason in records[:-1])


def test_tcp_begins_with_syn_and_ends_with_fin_or_rst() -> None:
    flows = group(run(make_table(), 80))
    finished = [
        records
        for key, records in flows.items()
        if key[5] == TCP and key[6] > NOW and records[-1][4] == 3
    ]
    assert len(finished) > 500
    for records in finished:
        flags = [record[3] for record in records]
        assert flags[0] & SYN
        assert flags[-1] & FIN_OR_RST
        assert not any(flag & SYN for flag in flags[1:])
        assert not any(flag & FIN_OR_RST for flag in flags[:-1])


def test_records_of_a_flow_add_up_to_what_was_drawn() -> None:
    role = ROLES["edge-router"]
    flows = group(run(make_table(), 80))
    totals = [
        (sum(record[1] for record in records), sum(record[2] for record in records))
        for key, records in flows.items()
        if key[6] > NOW and records[-1][4] != 2
    ]
    assert len(totals) > 1000
    assert all(role.octets[0] <= octets <= role.octets[1] for octets, _ in totals)
    assert all(1 <= packets <= role.packets[1] for _, packets in totals)
    mean = sum(octets for octets, _ in totals) / len(totals)
    assert abs(mean / (sum(role.octets) / 2) - 1) < 0.1


def test_timeouts_hold() -> None:
    table = make_table()
    for key, records in group(run(table, 80)).items():
        for before, after in itertools.pairwise(records):
            gap = after[0] - before[0]
            assert gap <= 30_000 * 1.25 + TICK, key


def test_as_many_flows_are_under_way_as_the_role_has() -> None:
    table = make_table("server")
    run(table, 40)
    counts = table.count(NOW + 40 * TICK)
    assert counts.shape == (DEVICES,)
    assert 32 * 0.6 < counts.mean() <= 32


def test_some_devices_at_a_time() -> None:
    table = make_table()
    exports = run(table, 10, slice(5, 8))
    devices = np.concatenate([export.devices for _, export in exports])
    assert set(devices.tolist()) == {5, 6, 7}


def test_the_same_seed_and_clock_give_the_same_records() -> None:
    def records(seed: int) -> list[bytes]:
        exports = run(make_table(seed=seed), 5)
        return [column.tobytes() for _, export in exports for _, column in export.flows.columns()]

    assert records(7) == records(7)
    assert records(7) != records(8)


def test_addresses_of_128_bits() -> None:
    _, export = run(make_table(version=6), 2)[0]
    assert export.flows.version == 6
    assert export.flows.src.shape == (len(export.flows), 2)
    assert set((export.flows.src[:, 0] >> np.uint64(32)).tolist()) == {0x20010DB8}


def test_nothing_is_due_at_once_again() -> None:
    table = make_table()
    run(table, 3)
    assert len(table.report(ALL, NOW + 3 * TICK).flows) == 0


def test_memory_of_a_flow() -> None:
    table = make_table()
    arrays = [value for value in vars(table).values() if isinstance(value, np.ndarray)]
    flows = DEVICES * ROLES["edge-router"].flows
    assert sum(array.nbytes for array in arrays) <= 100 * flows
