"""Groups of simulated devices, read by the strict decoder as so many exporters."""

from __future__ import annotations

import dataclasses
from collections import Counter
from ipaddress import ip_address
from typing import Any

import numpy as np
import pytest

from flowexport_mgmt.simulator.flows import Timeouts
from flowexport_mgmt.simulator.formats import Endpoint, Format
from flowexport_mgmt.simulator.group import Group
from flowexport_mgmt.simulator.roles import ROLES
from flowexport_mgmt.simulator.settings import GroupSettings
from flowexport_mgmt.wire.decoder import Decoder
from flowexport_mgmt.wire.fleet import FleetDatagrams
from flowexport_mgmt.wire.flows.fields import ExportTime

BEGIN_MS = 1_700_000_000_000
UPTIME_MS = 4_000_000_000
STEP_MS = 50


def settings(**changes: Any) -> GroupSettings:
    role = ROLES["server"]
    standard: dict[str, Any] = {
        "name": "lab",
        "first": ip_address("10.0.0.1"),
        "count": 30,
        "role": role,
        "timeouts": Timeouts(6000, 3000),
        "tick_ms": 1000,
        "template_ms": 5000,
        "sampling_rate": role.sampling_rate,
    }
    return GroupSettings(**{**standard, **changes})


def at(milliseconds: int) -> ExportTime:
    return ExportTime((BEGIN_MS + milliseconds) * 1_000_000, UPTIME_MS + milliseconds)


class Listener:
    """Takes each device for an exporter of its own and counts what it says."""

    def __init__(self, group: Group) -> None:
        self.records: Counter[int] = Counter()
        self.turns: dict[int, list[int]] = {}
        self.sizes: list[int] = []
        self._decoder = Decoder()
        self.group = group

    def follow(self, group: Group) -> None:
        """Listen to a group that takes the place of the one before."""
        self.group = group

    def run(self, begin_ms: int, end_ms: int, step_ms: int = STEP_MS) -> None:
        for now in range(begin_ms, end_ms, step_ms):
            for datagrams in self.group.advance(at(now)):
                self._take(datagrams, now)

    def _take(self, datagrams: FleetDatagrams, now: int) -> None:
        for number, owner in enumerate(datagrams.exporters.tolist()):
            data = datagrams[number]
            message = self._decoder.receive(data, (f"device {owner}", 1), at(now).time_ns)
            assert [str(fault) for fault in message.faults] == []
            self.records[owner] += int(datagrams.records[number])
            self.turns.setdefault(owner, []).append(now)
            self.sizes.append(len(data))


@pytest.mark.parametrize("classic", [True, False])
@pytest.mark.parametrize("first", ["10.0.0.1", "2001:db8::1"])
@pytest.mark.parametrize("form", Format)
def test_every_device_is_a_faultless_exporter(form: Format, first: str, *, classic: bool) -> None:
    group = Group(settings(format=form, first=ip_address(first), classic=classic), at(0))
    listener = Listener(group)
    listener.run(0, 7000, 100)
    assert set(listener.records) == set(range(30))
    assert min(listener.records.values()) > 2
    assert max(listener.sizes) <= 1472
    assert group.voice.sequences.min() > 0


def test_devices_take_turns_over_the_tick() -> None:
    group = Group(settings(format=Format.SFLOW), at(0))
    listener = Listener(group)
    listener.run(0, 3000, 10)
    firsts = [listener.turns[device][0] for device in range(30)]
    assert firsts == sorted(firsts)
    assert len(set(firsts)) == 30
    gaps = np.diff(firsts)
    assert gaps.max() <= 50


def test_a_late_call_makes_up_with_one_turn_for_each() -> None:
    group = Group(settings(format=Format.SFLOW), at(0))
    listener = Listener(group)
    listener.run(60_000, 60_010)
    assert set(listener.turns) == set(range(30))
    assert {len(set(turns)) for turns in listener.turns.values()} == {1}
    assert group.advance(at(60_010)) == []


def test_templates_are_told_again_in_time_and_after_a_failure() -> None:
    group = Group(settings(), at(0))

    def announcing(begin_ms: int, end_ms: int) -> list[int]:
        """Give who announces; it is those whose datagrams have a template."""
        made = [d for now in range(begin_ms, end_ms, STEP_MS) for d in group.advance(at(now))]
        for datagrams in made:
            for number, told in enumerate(datagrams.announced.tolist()):
                assert told == (b"\x01\x00\x00\x12" in datagrams[number][:30])
        return [owner for d in made for owner in d.exporters[d.announced].tolist()]

    assert sorted(announcing(0, 2000)) == list(range(30))
    group.voice.repeat(np.array([4]))
    assert announcing(2000, 3000) == [4]
    assert announcing(3000, 4500) == []
    assert set(announcing(4500, 6500)) == set(range(30)) - {4}


def test_excluded_addresses_are_no_devices() -> None:
    excluded = frozenset((ip_address("10.0.0.2"), ip_address("10.0.0.30")))
    group = Group(settings(excluded=excluded), at(0))
    listener = Listener(group)
    listener.run(0, 3000)
    assert group.devices == 28
    assert set(listener.records) == set(range(30)) - {1, 29}
    assert group.flows.count(at(3000).time_ms)[[1, 29]].tolist() == [0, 0]


def test_a_group_without_devices_rests() -> None:
    group = Group(settings(count=1, excluded=frozenset((ip_address("10.0.0.1"),))), at(0))
    assert group.advance(at(9000)) == []
    assert group.due_ms() > BEGIN_MS * 2


@pytest.mark.parametrize("form", Format)
def test_the_same_settings_and_clock_give_the_same_bytes(form: Format) -> None:
    def octets(seed: int) -> bytes:
        group = Group(settings(format=form, seed=seed), at(0))
        return b"".join(
            datagrams.buffer.tobytes()
            for now in range(0, 5000, STEP_MS)
            for datagrams in group.advance(at(now))
        )

    assert octets(1) == octets(1)
    assert octets(1) != octets(2)


def test_the_next_turn_is_told() -> None:
    group = Group(settings(), at(0))
    due = []
    for _ in range(30):
        due.append(group.due_ms() - BEGIN_MS)
        group.advance(at(due[-1]))
    assert due[0] == 34
    assert due[-1] == 1000
    assert due == sorted(set(due))


@pytest.mark.parametrize("form", Format)
def test_devices_go_on_when_another_is_excluded(form: Format) -> None:
    old = settings(format=form)
    group = Group(old, at(0))
    listener = Listener(group)
    listener.run(0, 3000)
    excluded = dataclasses.replace(old, excluded=frozenset((ip_address("10.0.0.3"),)))
    listener.follow(Group(excluded, at(3000), group))
    listener.records.clear()
    listener.run(3000, 6000)  # the listener sees a gap in no sequence
    assert set(listener.records) == set(range(30)) - {2}
    again = Group(old, at(6000), listener.group)
    listener.follow(again)
    listener.run(6000, 15_000)
    assert set(listener.records) == set(range(30))


def test_flows_go_on_when_timeouts_change() -> None:
    old = settings()
    group = Group(old, at(0))
    changed = Group(dataclasses.replace(old, timeouts=Timeouts(500, 400)), at(10), group)
    assert changed.flows is group.flows
    assert changed.flows.timeouts == Timeouts(500, 400)
    assert Group(dataclasses.replace(old, role=ROLES["storage"]), at(10), group).flows is not (
        group.flows
    )


@pytest.mark.parametrize("form", Format)
def test_devices_count_on_when_their_group_grows_at_both_ends(form: Format) -> None:
    old = settings(format=form, first=ip_address("10.0.0.11"), count=10)
    group = Group(old, at(0))
    for now in range(0, 3000, STEP_MS):
        group.advance(at(now))
    group.sent.records[:] = range(10)
    grown = dataclasses.replace(old, first=ip_address("10.0.0.9"), count=20)
    new = Group(grown, at(3000), group)
    assert new.voice.sequences[2:12].tolist() == group.voice.sequences.tolist()
    assert new.sent.records.tolist() == [0, 0, *range(10), *[0] * 8]
    other = Group(dataclasses.replace(grown, collector=Endpoint("192.0.2.1", 1)), at(3000), group)
    assert not other.voice.sequences.any()


def test_a_pause_is_not_made_up_for() -> None:
    group = Group(settings(format=Format.SFLOW), at(0))
    listener = Listener(group)
    listener.run(0, 1000)
    group.rest(at(60_000))
    listener.turns.clear()
    listener.run(60_000, 61_050)
    firsts = [turns[0] for _, turns in sorted(listener.turns.items())]
    assert len(firsts) == 30
    assert max(firsts) - min(firsts) > 900
    assert group.late_turns == 0


def test_a_group_of_one_thousand_speaks_evenly_for_ten_minutes() -> None:
    """The coefficient of variation of datagrams per second is below 0.3."""
    role = ROLES["edge-router"]
    group = Group(
        settings(
            count=1000,
            role=role,
            tick_ms=5000,
            timeouts=Timeouts(30_000, 15_000),
            template_ms=60_000,
        ),
        at(0),
    )
    counts = np.zeros(600)
    for now in range(0, 600_000, 500):
        counts[now // 1000] += sum(map(len, group.advance(at(now))))
    steady = counts[5:]
    assert steady.std() / steady.mean() < 0.3
    assert steady.min() > 0
