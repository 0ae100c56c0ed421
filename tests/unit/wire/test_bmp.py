from __future__ import annotations

import pytest
from tests.support.bgp import FOLDER

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire import bmp


def messages(name: str) -> list[bmp.Message | DecodeError | None]:
    return [frame.message for frame in bmp.split((FOLDER / f"{name}.bin").read_bytes())]


def message(kind: int, body: bytes) -> bytes:
    return b"\x03" + (6 + len(body)).to_bytes(4) + bytes([kind]) + body


def peer(kind: int = 0, flags: int = 0, address: bytes = bytes(12) + b"\x0a\x09\x01\x02") -> bytes:
    return bytes([kind, flags]) + bytes(8) + address + (65002).to_bytes(4) + bytes(12)


@pytest.mark.parametrize("name", ["frr-bmp", "frr2-bmp", "frr3-bmp", "gobgp-bmp", "gobgp2-bmp"])
def test_every_message_of_the_captures_is_understood(name: str) -> None:
    found = messages(name)
    assert not [each for each in found if each is None or isinstance(each, DecodeError)]
    kinds = {type(each) for each in found}
    assert {bmp.RouteMonitoring, bmp.PeerUp, bmp.PeerDown, bmp.Initiation} <= kinds


def test_who_speaks() -> None:
    first = messages("frr-bmp")[0]
    assert isinstance(first, bmp.Initiation)
    assert first.description == "FRRouting 8.4.4"
    up = next(each for each in messages("gobgp-bmp") if isinstance(each, bmp.PeerUp))
    assert (up.sent.asn, up.received.asn, up.peer.asn) == (65001, 65003, 65003)


@pytest.mark.parametrize(
    ("header", "view", "address", "legacy"),
    [
        (peer(), bmp.View.PRE_POLICY, b"\x0a\x09\x01\x02", False),
        (peer(flags=0x40), bmp.View.POST_POLICY, b"\x0a\x09\x01\x02", False),
        (peer(flags=0x60), bmp.View.POST_POLICY, b"\x0a\x09\x01\x02", True),
        (peer(flags=0x80), bmp.View.PRE_POLICY, bytes(12) + b"\x0a\x09\x01\x02", False),
        (peer(flags=0x50), bmp.View.OUT, b"\x0a\x09\x01\x02", False),
        (peer(kind=3, flags=0x80), bmp.View.LOC_RIB, b"", False),
    ],
)
def test_views(header: bytes, view: bmp.View, address: bytes, legacy: bool) -> None:
    (frame,) = bmp.split(message(1, header + bytes(4)))
    assert isinstance(frame.message, bmp.StatisticsReport)
    found = frame.message.peer
    assert (found.view, found.address, found.legacy) == (view, address, legacy)


@pytest.mark.parametrize(
    "damaged",
    [
        message(0, b""),
        message(0, peer()),
        message(0, peer() + b"\xff" * 16 + b"\0\x13\x04"),
        message(2, peer()),
        message(3, peer() + bytes(19)),
        message(3, peer() + bytes(20)),
        message(4, b"\0\x01\0\x05abc"),
    ],
)
def test_what_is_damaged_in_itself_leaves_the_next_alone(damaged: bytes) -> None:
    frames = list(bmp.split(damaged + message(5, b"\0\x01\0\x02\0\x01")))
    assert isinstance(frames[0].message, DecodeError)
    assert frames[1].message == bmp.Termination(1)


@pytest.mark.parametrize(
    "damaged", [b"\x02\0\0\0\x06\x04", b"\x03\0\0\0\x05\x04", b"\x03\xff\0\0\0\0"]
)
def test_where_the_next_message_begins_must_be_known(damaged: bytes) -> None:
    with pytest.raises(DecodeError):
        list(bmp.split(damaged))


def test_text_is_made_printable() -> None:
    (frame,) = bmp.split(message(4, b"\0\x02\0\x05a\x1b[\xff "))
    assert frame.message == bmp.Initiation(name="a [\ufffd")
