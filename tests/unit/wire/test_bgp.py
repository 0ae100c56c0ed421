from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.bgp import (
    AS_PATH,
    FOLDER,
    GOOD,
    NAMES,
    NEXT_HOP,
    ORIGIN,
    PREFIX,
    attribute,
    body,
    describe,
    path,
    read_updates,
)

from flowexport_mgmt.wire import bgp

PLACE = 0xCB007100


@pytest.mark.parametrize("name", NAMES)
def test_captures_say_what_exabgp_says_of_them(name: str) -> None:
    updates = read_updates((FOLDER / f"{name}.bin").read_bytes(), is_bmp="bmp" in name)
    said = json.loads((FOLDER / f"{name}.json").read_text())["updates"]
    assert len(updates) > 5
    for update, wanted in zip(updates, said, strict=True):
        found = describe(update.decode())
        assert sorted(found["routes"]) == sorted(wanted["routes"])
        if any(route[0] == "announce" for route in wanted["routes"]):
            assert found["as_path"] == wanted["as_path"]
            assert found["communities"] == wanted["communities"]


def test_open_goes_there_and_back() -> None:
    told = bgp.Open(
        asn=4_200_000_001,
        hold_time=90,
        identifier=0x0A000001,
        families=frozenset((4, 6)),
        four_octets=True,
        refresh=True,
        enhanced_refresh=True,
        add_path_receive=frozenset((4, 6)),
        restart_time=120,
        restarted=True,
        kept=frozenset((6,)),
    )
    (frame,) = bgp.split(bgp.encode_open(told))
    assert frame.kind is bgp.MessageType.OPEN
    assert bgp.decode_open(frame.body) == told


@pytest.mark.parametrize(
    ("name", "version"), [("frr-ibgp", "8.4"), ("gobgp-ibgp", "3.10"), ("bird-ibgp", "2.0")]
)
def test_open_of_others(name: str, version: str) -> None:
    frame = next(bgp.split((FOLDER / f"{name}.bin").read_bytes()))
    told = bgp.decode_open(frame.body)
    assert (told.asn, told.four_octets) == (65001, True), version
    assert told.families == {4, 6}
    assert told.add_path_send == {4, 6}


@pytest.mark.parametrize(
    ("body_", "suberror"),
    [
        (b"\x03\xfd\xe9\x00\x5a\x0a\x00\x00\x01\x00", 1),
        (b"\x04\xfd\xe9\x00\x02\x0a\x00\x00\x01\x00", 6),
        (b"\x04\xfd\xe9\x00\x5a\x00\x00\x00\x00\x00", 3),
        (b"\x04\xfd\xe9\x00\x5a\x0a\x00\x00\x01\x02\x01\x00", 4),
        (b"\x04\xfd\xe9\x00\x5a\x0a\x00\x00\x01\x05\x02\x00", 0),
        (b"\x04\xfd\xe9\x00\x5a\x0a\x00\x00\x01\x04\x02\x02\x41\x04", 0),
    ],
)
def test_open_that_is_refused(body_: bytes, suberror: int) -> None:
    with pytest.raises(bgp.BgpError) as caught:
        bgp.decode_open(body_)
    assert (caught.value.error, caught.value.suberror) == (2, suberror)


@pytest.mark.parametrize(
    ("damaged", "suberror"),
    [
        (b"\xfe" + b"\xff" * 15 + b"\0\x13\x04", 1),
        (b"\xff" * 16 + b"\0\x14\x04\0", 2),
        (b"\xff" * 16 + b"\0\x12\x04", 2),
        (b"\xff" * 16 + b"\x10\x01\x02", 2),
        (b"\xff" * 16 + b"\0\x13\x06", 3),
    ],
)
def test_headers_that_end_a_session(damaged: bytes, suberror: int) -> None:
    with pytest.raises(bgp.BgpError) as caught:
        list(bgp.split(damaged))
    assert (caught.value.error, caught.value.suberror) == (1, suberror)


def test_a_message_waits_for_its_end() -> None:
    whole = bgp.encode_keepalive() * 2
    assert [frame.end for frame in bgp.split(whole[:-1])] == [19]
    assert [frame.end for frame in bgp.split(whole)] == [19, 38]


def test_end_of_rib() -> None:
    decoder = bgp.UpdateDecoder()
    assert decoder.decode(body()).end_of_rib == 4
    unreach = attribute(0x80, 15, b"\0\x02\x01")
    assert decoder.decode(body(unreach)).end_of_rib == 6
    assert decoder.decode(body(unreach, withdrawn=PREFIX)).end_of_rib is None


def test_an_update_of_everything() -> None:
    told = GOOD + b"".join(
        (
            attribute(0x80, 4, (7).to_bytes(4)),
            attribute(0x40, 5, (200).to_bytes(4)),
            attribute(0xC0, 8, b"\xfd\xea\0\x64"),
            attribute(0x80, 9, (0x0A000001).to_bytes(4)),
            attribute(0x80, 10, bytes(8)),
            attribute(0xC0, 16, bytes(range(8))),
            attribute(0xC0, 32, bytes(range(12))),
            attribute(0xC0, 99, b"whatever"),
        )
    )
    update = bgp.UpdateDecoder().decode(body(told, PREFIX + b"\0", withdrawn=b"\x08\x0a"))
    found = update.attributes
    assert found is not None
    assert (found.med, found.local_pref, found.communities) == (7, 200, (0xFDEA0064,))
    assert (found.originator, found.clusters) == (0x0A000001, 2)
    assert (found.extended, found.large) == (bytes(range(8)), bytes(range(12)))
    assert (found.neighbour_as, found.origin_as, found.path_length) == (65002, 64501, 2)
    (there,), (gone,) = update.announced, update.withdrawn
    assert (there.addresses, there.lengths) == ([PLACE, 0], [24, 0])
    assert (gone.addresses, gone.lengths) == ([10 << 24], [8])


def test_host_bits_are_nothing() -> None:
    update = bgp.UpdateDecoder().decode(body(GOOD, b"\x09\xcb\xff"))
    assert update.announced[0].addresses == [0xCB800000]


@pytest.mark.parametrize(
    "damaged",
    [
        AS_PATH + NEXT_HOP,
        ORIGIN + NEXT_HOP,
        ORIGIN + AS_PATH,
        attribute(0x40, 1, b"\x03") + AS_PATH + NEXT_HOP,
        attribute(0x40, 1, b"") + AS_PATH + NEXT_HOP,
        attribute(0xC0, 1, b"\0") + AS_PATH + NEXT_HOP,
        ORIGIN + attribute(0x40, 2, b"\x02\x02\0\0\0\x01") + NEXT_HOP,
        ORIGIN + attribute(0x40, 2, b"\x02\x00") + NEXT_HOP,
        ORIGIN + attribute(0x40, 2, b"\x09\x01\0\0\0\x01") + NEXT_HOP,
        ORIGIN + AS_PATH + attribute(0x40, 3, bytes(3)),
        GOOD + attribute(0x80, 4, bytes(3)),
        GOOD + attribute(0x40, 5, bytes(5)),
        GOOD + attribute(0xC0, 8, bytes(5)),
        GOOD + attribute(0x80, 9, bytes(3)),
        GOOD + attribute(0x80, 10, bytes(3)),
        GOOD + attribute(0xC0, 16, bytes(7)),
        GOOD + attribute(0xC0, 32, bytes(11)),
        GOOD + attribute(0x40, 99, b""),
        GOOD + b"\xc0\x08\x05\0",
        GOOD + b"\xc0",
    ],
)
def test_routes_of_damaged_attributes_are_withdrawn(damaged: bytes) -> None:
    """RFC 7606, sections 3 and 7."""
    update = bgp.UpdateDecoder().decode(body(damaged, PREFIX))
    assert not update.announced
    assert [routes.addresses for routes in update.withdrawn] == [[PLACE]]
    assert len(update.faults) == 1


@pytest.mark.parametrize(
    "odd",
    [
        attribute(0x40, 6, b"x"),
        attribute(0xC0, 7, bytes(5)),
    ],
)
def test_attributes_that_are_ignored(odd: bytes) -> None:
    update = bgp.UpdateDecoder().decode(body(GOOD + odd, PREFIX))
    assert len(update.announced) == len(update.faults) == 1


@pytest.mark.parametrize(
    "damaged",
    [
        b"\0\x05",
        b"\0\0\0\x05",
        b"",
        body(GOOD, b"\x21" + bytes(5)),
        body(GOOD, b"\x18\0\0"),
        body(withdrawn=b"\x18\0"),
        body(attribute(0x80, 15, b"\0\x02\x01") * 2),
        body(attribute(0x40, 15, b"\0\x02\x01")),
        body(attribute(0x80, 15, b"\0\x02")),
        body(attribute(0x80, 15, b"\0\x02\x01\x81" + bytes(17))),
        body(attribute(0x80, 14, b"\0\x02\x01\x03" + bytes(4))),
        body(attribute(0x80, 14, b"\0\x02\x01\x10" + bytes(15))),
    ],
)
def test_what_ends_a_session(damaged: bytes) -> None:
    with pytest.raises(bgp.BgpError) as caught:
        bgp.UpdateDecoder().decode(damaged)
    assert caught.value.error == 3


def test_ipv6_with_a_link_local_next_hop_beside() -> None:
    hop = bytes(range(32))
    reach = attribute(0x80, 14, b"\0\x02\x01\x20" + hop + b"\0" + b"\x20\x20\x01\x0d\xb8")
    update = bgp.UpdateDecoder().decode(body(ORIGIN + AS_PATH + reach))
    (routes,) = update.announced
    assert (routes.version, routes.next_hop) == (6, hop[:16])
    assert (routes.addresses, routes.lengths) == ([0x20010DB8 << 96], [32])


def test_other_families_are_left_alone() -> None:
    reach = attribute(0x80, 14, b"\0\x01\x80\x0c" + bytes(40))
    update = bgp.UpdateDecoder().decode(body(ORIGIN + AS_PATH + reach))
    assert not update.announced
    assert not update.faults


def test_paths_of_two_octets_are_completed() -> None:
    """RFC 6793, section 4.2.3."""
    short = attribute(0x40, 2, bytes([2, 3]) + b"\xfd\xe9" + b"\x5b\xa0" * 2)
    long = attribute(0xC0, 17, path(4_200_000_001, 4_200_000_002))
    update = bgp.UpdateDecoder(four_octets=False).decode(
        body(ORIGIN + short + NEXT_HOP + long, PREFIX)
    )
    assert update.attributes is not None
    assert update.attributes.as_path == ((True, (65001, 4_200_000_001, 4_200_000_002)),)


def test_what_a_path_says() -> None:
    def decode(*segments: bytes) -> bgp.Attributes:
        told = ORIGIN + attribute(0x40, 2, b"".join(segments)) + NEXT_HOP
        found = bgp.UpdateDecoder().decode(body(told, PREFIX)).attributes
        assert found is not None
        return found

    aggregate = decode(path(1, 2), path(7, 8, 9, kind=1))
    assert (aggregate.origin_as, aggregate.neighbour_as, aggregate.path_length) == (2, 1, 3)
    confederation = decode(path(64512, kind=3), path(1, 2))
    assert (confederation.origin_as, confederation.neighbour_as) == (2, 1)
    assert decode().origin_as == decode().neighbour_as == 0
    assert decode(path(*range(1, 256)), path(*range(256, 300))).path_length == 299


@given(
    prefixes=st.lists(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(0, 2**32 - 1))
    ),
    has_ids=st.booleans(),
)
def test_prefixes_go_there_and_back(prefixes: list[tuple[int, int, int]], *, has_ids: bool) -> None:
    octets = b""
    wanted = []
    for address, length, identifier in prefixes:
        number = address >> 32 - length << 32 - length
        octets += identifier.to_bytes(4) * has_ids + bytes([length])
        octets += number.to_bytes(4)[: (length + 7) // 8]
        wanted.append((number, length, identifier * has_ids))
    add_path: frozenset[bgp.Version] = frozenset((4,) if has_ids else ())
    update = bgp.UpdateDecoder(add_path=add_path).decode(body(GOOD, octets))
    found = [
        each
        for routes in update.announced
        for each in zip(routes.addresses, routes.lengths, routes.paths, strict=True)
    ]
    assert found == wanted


def test_small_messages() -> None:
    (frame,) = bgp.split(bgp.encode_notification(6, 2, b"bye"))
    assert bgp.decode_notification(frame.body) == (6, 2, b"bye")
    (frame,) = bgp.split(bgp.encode_route_refresh(2))
    assert bgp.decode_route_refresh(frame.body) == (2, 0, 1)
    with pytest.raises(bgp.BgpError):
        bgp.decode_route_refresh(bytes(5))
