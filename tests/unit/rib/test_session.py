"""A session of BGP as its peer hears it, without a socket."""

from __future__ import annotations

import pytest
from tests.support.bgp import GOOD, PREFIX, body

from flowexport_mgmt.rib.session import (
    Closed,
    Established,
    RefreshBegins,
    RefreshEnds,
    Session,
    SessionSettings,
    State,
)
from flowexport_mgmt.wire import bgp

OURS = SessionSettings(local_as=65001, peer_as=65001, identifier=1)
KEEPALIVE = bgp.encode_keepalive()


def opening(asn: int = 65001, hold_time: int = 90, identifier: int = 2) -> bytes:
    families: frozenset[bgp.Version] = frozenset((4, 6))
    return bgp.encode_open(
        bgp.Open(
            asn=asn,
            hold_time=hold_time,
            identifier=identifier,
            families=families,
            four_octets=True,
            refresh=True,
            add_path_send=frozenset((4,)),
        )
    )


def establish(hold_time: int = 90) -> Session:
    session = Session(OURS, 0)
    assert [frame.kind for frame in bgp.split(session.data_to_send())] == [bgp.MessageType.OPEN]
    (event,) = session.receive(opening(hold_time=hold_time) + KEEPALIVE, 1)
    assert isinstance(event, Established)
    assert session.data_to_send() == KEEPALIVE
    return session


def refusal(session: Session) -> tuple[int, int]:
    *_, last = bgp.split(session.data_to_send())
    told = bgp.decode_notification(last.body)
    return told.error, told.suberror


def test_a_session_comes_up_and_stays_by_keepalives() -> None:
    session = establish()
    assert session.state is State.ESTABLISHED
    assert session.timer == 31
    assert session.tick(31) == []
    assert session.data_to_send() == KEEPALIVE
    assert session.receive(KEEPALIVE, 60) == []
    assert session.tick(149) == []
    (event,) = session.tick(150)
    assert isinstance(event, Closed)
    assert refusal(session) == (4, 0)


def test_a_hold_time_of_zero_waits_for_ever() -> None:
    session = establish(hold_time=0)
    assert session.tick(1e9) == []
    assert session.data_to_send() == b""


def test_octets_one_by_one() -> None:
    session = Session(OURS, 0)
    events = [
        event
        for octet in opening() + KEEPALIVE + bgp.encode(bgp.MessageType.UPDATE, body())
        for event in session.receive(bytes([octet]), 1)
    ]
    assert [type(event) for event in events] == [Established, bgp.Update]


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (opening(asn=65002), (2, 2)),
        (opening(identifier=1), (2, 3)),
        (KEEPALIVE, (5, 0)),
        (opening() + opening(), (5, 0)),
        (opening() + KEEPALIVE + bgp.encode(bgp.MessageType.UPDATE, body(b"\0")[:-1]), (3, 1)),
        (b"\0" * 19, (1, 1)),
    ],
)
def test_what_breaks_the_protocol_is_told_so(told: bytes, wanted: tuple[int, int]) -> None:
    session = Session(OURS, 0)
    assert isinstance(session.receive(told, 1)[-1], Closed)
    assert refusal(session) == wanted
    assert session.receive(KEEPALIVE, 2) == session.tick(1e9) == []


def test_a_peer_that_says_nothing() -> None:
    session = Session(OURS, 0)
    assert session.tick(59) == []
    (event,) = session.tick(60)
    assert isinstance(event, Closed)


def test_paths_have_identifiers_where_that_was_agreed() -> None:
    session = establish()
    update = bgp.encode(bgp.MessageType.UPDATE, body(GOOD, (7).to_bytes(4) + PREFIX))
    (event,) = session.receive(update, 2)
    assert isinstance(event, bgp.Update)
    assert event.announced[0].paths == [7]


def test_damaged_attributes_leave_the_session_alone() -> None:
    session = establish()
    update = bgp.encode(bgp.MessageType.UPDATE, body(b"", bytes(4) + PREFIX))
    (event,) = session.receive(update, 2)
    assert isinstance(event, bgp.Update)
    assert event.withdrawn
    assert session.state is State.ESTABLISHED


def test_refreshes() -> None:
    session = establish()
    assert session.request_refresh()
    kinds = [frame.kind for frame in bgp.split(session.data_to_send())]
    assert kinds == [bgp.MessageType.ROUTE_REFRESH] * 2
    marks = [bgp.encode(bgp.MessageType.ROUTE_REFRESH, bytes([0, 2, kind, 1])) for kind in (1, 2)]
    assert session.receive(b"".join(marks), 2) == [RefreshBegins(6), RefreshEnds(6)]
    assert session.receive(bgp.encode_route_refresh(1), 3) == []


def test_the_end_from_either_side() -> None:
    session = establish()
    (event,) = session.receive(bgp.encode_notification(6, 2), 2)
    assert event == Closed("the peer ended the session: code 6, subcode 2")
    session = establish()
    assert session.cease(3, "the configuration changed") == [Closed("the configuration changed")]
    assert refusal(session) == (6, 3)
    assert establish().receive(b"", 2) == [Closed("the peer closed the connection")]
