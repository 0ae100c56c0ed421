from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.sources.sampling import UP, Backend, Mishaps, Standing, Totals, Wanted
from flowexport_mgmt.sources.sampling_choice import Choice

WAN = Wanted("wan", 1, 128, 1, ingress=True, egress=False)
LAN = Wanted("lan", 1, 128, 1, ingress=True, egress=False)
LACK = "psample: kernel module not loaded: modprobe psample act_sample"


class Double:
    """A way to sample that notes what is asked of it."""

    def __init__(self) -> None:
        self.lacking: str | None = None
        self.calls: list[str] = []
        self.active: tuple[str, ...] = ()

    def bring_about(self, wanted: Sequence[Wanted]) -> Standing:
        self.calls.append("bring about")
        self.active = () if self.lacking else tuple(one.name for one in wanted)
        fares = (OperStatus.DEGRADED, self.lacking) if self.lacking else UP
        return Standing(fares, dict.fromkeys(wanted, fares), self.lacking)

    def undo(self) -> None:
        self.calls.append("undo")
        self.active = ()

    def close(self) -> None:
        self.calls.append("close")

    def totals(self) -> Mapping[str, Totals]:
        return {}

    def mishaps(self) -> Mishaps:
        return Mishaps()


class House:
    """A choice between two doubles, on a host whose psample and clock are set."""

    def __init__(self) -> None:
        self.psample, self.packet = Double(), Double()
        self.now = 0.0
        self.is_loaded = False
        self.choice = Choice(
            self.psample,
            self.packet,
            is_psample_loaded=lambda: self.is_loaded,
            clock=lambda: self.now,
        )

    def look(self, *wanted: Wanted, backend: Backend | None = None) -> Standing:
        return self.choice.bring_about(wanted, backend)

    def active(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.psample.active, self.packet.active


@pytest.fixture
def house() -> House:
    return House()


def test_psample_is_taken_where_it_works(house: House) -> None:
    assert house.look(WAN).overall == UP
    assert house.active() == (("wan",), ())
    assert (house.choice.taken.backend, house.choice.taken.fallback) == (Backend.PSAMPLE, None)


def test_packet_sockets_stand_in_and_it_is_said_why(house: House) -> None:
    house.psample.lacking = LACK
    assert house.look(WAN).overall == UP
    assert house.active() == ((), ("wan",))
    assert house.psample.calls == ["bring about", "undo"]
    assert (house.choice.taken.backend, house.choice.taken.fallback) == (Backend.PACKET, LACK)


def test_psample_is_not_tried_at_every_look(house: House) -> None:
    house.psample.lacking = LACK
    for house.now in (0.0, 5.0, 29.0):
        house.look(WAN)
    assert house.psample.calls.count("bring about") == 1
    house.now = 31.0
    house.look(WAN)
    assert house.psample.calls.count("bring about") == 2


def test_it_is_gone_over_to_psample_when_it_appears(house: House) -> None:
    house.psample.lacking = LACK
    house.look(WAN)
    house.psample.lacking, house.is_loaded = None, True
    house.look(WAN)
    assert house.active() == (("wan",), ())
    assert (house.choice.taken.backend, house.choice.taken.fallback) == (Backend.PSAMPLE, None)


def test_what_is_newly_wanted_tries_psample_anew(house: House) -> None:
    house.psample.lacking = LACK
    house.look(WAN)
    house.look(WAN, LAN)
    assert house.psample.calls.count("bring about") == 2
    assert house.active() == ((), ("wan", "lan"))


def test_psample_alone_has_nobody_stand_in(house: House) -> None:
    house.psample.lacking = LACK
    assert house.look(WAN, backend=Backend.PSAMPLE).overall == (OperStatus.DEGRADED, LACK)
    assert house.packet.calls == []
    assert house.choice.taken.fallback is None


def test_packet_sockets_alone_leave_psample_in_peace(house: House) -> None:
    house.look(WAN, backend=Backend.PACKET)
    assert house.psample.calls == ["undo"]
    assert house.active() == ((), ("wan",))
    assert house.choice.taken.fallback is None


def test_nothing_is_sampled_twice_after_a_change(house: House) -> None:
    house.look(WAN)
    house.look(WAN, backend=Backend.PACKET)
    assert house.active() == ((), ("wan",))
    house.look(WAN, backend=Backend.PSAMPLE)
    assert house.active() == (("wan",), ())


def test_nothing_is_wanted_any_more(house: House) -> None:
    house.psample.lacking = LACK
    house.look(WAN)
    house.look()
    assert house.active() == ((), ())


def test_both_are_closed(house: House) -> None:
    house.look(WAN)
    house.choice.close()
    assert house.psample.calls[-2:] == house.packet.calls[-2:] == ["undo", "close"]
