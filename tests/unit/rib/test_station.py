"""What a station learns from the captures of FRR and GoBGP, and from what nobody should send."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterator

import pytest
from tests.support.bgp import FOLDER, path
from tests.support.bgp_columns import Rows, list_routes

from flowexport_mgmt.rib.sources import Kind
from flowexport_mgmt.rib.station import Ended, Event, Learned, PeerLost, Station, StripLocalAs
from flowexport_mgmt.wire import bgp, bmp
from flowexport_mgmt.wire.bmp.decode import Frame

Path = tuple[int, ...]
Table = dict[tuple[Kind, str, int], Path]

PLACE, OTHER, THIRD = 0xCB007100, 0xC6336400, 0xC0000200
SIXTH = 0x20010DB8010000000000000000000000


def tables(name: str, strip: StripLocalAs = "auto", *, until_lost: bool = True) -> Table:
    """Give the paths by view, peer and prefix that were told until the first session ended."""
    station = Station(strip)
    found: Table = {}
    for event in station.receive((FOLDER / f"{name}.bin").read_bytes()):
        if isinstance(event, PeerLost) and until_lost:
            break
        if isinstance(event, Learned):
            rows = [row for row in list_routes(event.update) if row[0] in {4, 6}]
            for _, address, _, _, said in rows:
                if said is not None:
                    key = event.kind, event.peer.address, address
                    found[key] = tuple(asn for _, systems in said[2] for asn in systems)
    assert station.faults == 0
    return found


@pytest.mark.parametrize("name", ["frr-bmp", "frr2-bmp", "frr3-bmp", "gobgp-bmp", "gobgp2-bmp"])
@pytest.mark.parametrize("kind", [Kind.PRE_POLICY, Kind.POST_POLICY])
def test_paths_are_those_that_the_peers_sent(name: str, kind: Kind) -> None:
    found = tables(name)
    assert found[kind, "10.9.1.2", PLACE] == (65002, 64500, 64501)
    assert found[kind, "10.9.1.2", OTHER] == (65002, 64502)
    assert found[kind, "10.9.1.3", PLACE] == (65003, 64501)
    assert found[kind, "10.9.1.3", OTHER] == (65003, 64599, 64598, 64502)


def test_paths_as_they_come_and_always_stripped() -> None:
    assert tables("frr-bmp", "never")[Kind.PRE_POLICY, "10.9.1.3", PLACE] == (65001, 65003, 64501)
    assert tables("frr-bmp", "always")[Kind.PRE_POLICY, "10.9.1.3", PLACE] == (65003, 64501)
    assert tables("gobgp-bmp", "always")[Kind.PRE_POLICY, "10.9.1.3", PLACE] == (65003, 64501)


def test_an_ipv6_route_that_frr_takes_back_is_in_the_other_view() -> None:
    found = tables("frr3-bmp")
    assert (Kind.POST_POLICY, "10.9.1.2", SIXTH) not in found
    assert found[Kind.PRE_POLICY, "10.9.1.2", SIXTH] == (65002, 64510)


@pytest.mark.parametrize("name", ["gobgp-bmp", "gobgp2-bmp"])
def test_a_loc_rib_that_was_not_announced(name: str) -> None:
    found = tables(name)
    assert {place for kind, _, place in found if kind is Kind.LOC_RIB} >= {PLACE, OTHER, SIXTH}


def test_peers_that_never_were_there_are_not_lost() -> None:
    station = Station("auto")
    data = (FOLDER / "frr-bmp.bin").read_bytes()
    lost = [event for event in station.receive(data) if isinstance(event, PeerLost)]
    assert [event.peer.address for event in lost] == ["10.9.1.2", "10.9.1.3"]


def by_table(events: list[Event]) -> dict[tuple[Kind, Hashable, object], Rows]:
    """List routes by table and family, between which there is no order."""
    found: dict[tuple[Kind, Hashable, object], Rows] = {}
    for event in events:
        if isinstance(event, Learned):
            for row in list_routes(event.update):
                found.setdefault((event.kind, event.peer.key, row[0]), []).append(row)
    return found


@pytest.mark.parametrize("name", ["frr-bmp", "frr3-bmp", "gobgp-bmp", "gobgp2-bmp"])
@pytest.mark.parametrize("strip", ["auto", "never", "always"])
def test_a_stream_in_small_pieces(name: str, strip: StripLocalAs) -> None:
    data = (FOLDER / f"{name}.bin").read_bytes()
    whole, pieces = Station(strip), Station(strip)
    parts = [pieces.receive(data[at : at + 7]) for at in range(0, len(data), 7)]
    assert by_table([event for part in parts for event in part]) == by_table(whole.receive(data))
    assert (whole.messages, whole.faults) == (pieces.messages, pieces.faults)


@pytest.mark.parametrize("strip", ["auto", "never", "always"])
def test_many_routes_together_and_one_by_one(strip: StripLocalAs) -> None:
    data = (FOLDER / "frr-bmp.bin").read_bytes()
    routes = [
        data[begin : frame.end]
        for begin, frame in frames(data)
        if isinstance(frame.message, bmp.RouteMonitoring)
    ]
    rng = random.Random(8)
    head = data[: data.index(routes[0])]
    messages = [rng.choice(routes) for _ in range(400)]
    for at in range(0, 400, 50):
        broken = bytearray(messages[at])
        broken[rng.randrange(70, len(broken))] ^= 0x81
        messages[at] = bytes(broken)
    whole, pieces = Station(strip), Station(strip)
    pieces.receive(head)
    parts = [pieces.receive(message) for message in messages]
    events = whole.receive(head + b"".join(messages))
    assert by_table([event for part in parts for event in part]) == by_table(events)
    assert (whole.messages, whole.faults) == (pieces.messages, pieces.faults)
    together = [event.update for event in events if isinstance(event, Learned)]
    assert any(isinstance(update, bgp.UpdateColumns) for update in together)


def frames(data: bytes) -> Iterator[tuple[int, Frame]]:
    begin = 0
    for frame in bmp.split(data):
        yield begin, frame
        begin = frame.end


def test_what_makes_no_sense_ends_a_connection() -> None:
    station = Station("auto")
    (event,) = station.receive(b"\x04\0\0\0\x06\x04")
    assert isinstance(event, Ended)
    assert station.faults == 1
    assert station.receive(b"") == [Ended("the router closed the connection")]


def test_a_wrong_flag_of_short_numbers_is_seen_through() -> None:
    data = bytearray((FOLDER / "gobgp-bmp.bin").read_bytes())
    place = data.index(path(65003, 64501))
    begin = data.rindex(b"\x03\0\0", 0, place)
    data[begin + 7] |= 0x20
    station = Station("auto")
    learned = [event for event in station.receive(bytes(data)) if isinstance(event, Learned)]
    assert list_routes(learned[0].update)[0][4][2] == ((True, (65003, 64501)),)
