"""Groups of simulated devices, read by the strict decoder as so many exporters."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from typing import Any

import numpy as np
import pytest

from flowexport_mgmt.simulator.flows import Timeouts
from flowexport_mgmt.simulator.group import Group
from flowexport_mgmt.simulator.roles import ROLES
from flowexport_mgmt.simulator.settings import Format, GroupSettings
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
        self._group = group

    def run(self, begin_ms: int, end_ms: int, step_ms: int = STEP_MS) -> None:
        for now in range(begin_ms, end_ms, step_ms):
            for datagrams in self._group.advance(at(now)):
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
    before = group.voice.last_announcement_ms
    Listener(group).run(0, 2000)
    told = group.voice.last_announcement_ms
    assert (before, told is None) == (None, False)
    failed = np.zeros(30, np.bool_)
    failed[4] = True
    group.voice.repeat(failed)
    owners = [
        datagrams.exporters[number]
        for now in range(2000, 3000, STEP_MS)
        for datagrams in group.advance(at(now))
        for number in range(len(datagrams))
        if b"\x01\x00\x00\x12" in datagrams[number][:30]
    ]
    assert owners == [4]


def test_excluded_addresses_are_no_devices() -> None:
    excluded = frozenset((ip_address("10.0.0.2"), ip_address("10.0.0.30")))
    group = Group(settings(excluded=excluded), at(0))
    packed = {bytes(address) for address in group.addresses}
    assert group.size == 28
    assert not packed & {address.packed for address in excluded}


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
