"""What a station learns from the captures of FRR and GoBGP, and from what nobody should send."""

from __future__ import annotations

import pytest
from tests.support.bgp import FOLDER, path

from flowexport_mgmt.rib.sources import Kind
from flowexport_mgmt.rib.station import Ended, Learned, PeerLost, Station, StripLocalAs

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
            told = event.update.attributes
            for routes in event.update.announced:
                for address in routes.addresses:
                    assert told is not None
                    key = event.kind, event.peer.address, address
                    found[key] = tuple(asn for _, systems in told.as_path for asn in systems)
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


def test_a_stream_in_small_pieces() -> None:
    data = (FOLDER / "gobgp-bmp.bin").read_bytes()
    whole, pieces = Station("auto").receive(data), Station("auto")
    parts = [pieces.receive(data[at : at + 7]) for at in range(0, len(data), 7)]
    assert [event for part in parts for event in part] == whole


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
    told = learned[0].update.attributes
    assert told is not None
    assert told.as_path == ((True, (65003, 64501)),)
