"""Ten thousand damaged messages: a session ends as the protocol says, or goes on."""

from __future__ import annotations

import random

from tests.support.bgp import FOLDER, GOOD, PREFIX, body, read_updates
from tests.support.rib import open_tables, settle

from flowexport_mgmt.rib.session import Closed, Session, SessionSettings, State
from flowexport_mgmt.rib.sources import Identity, Kind
from flowexport_mgmt.rib.station import Station
from flowexport_mgmt.wire import bgp

MESSAGES = 10_000


def damage(rng: random.Random, octets: bytes, begin: int) -> bytes:
    """Change some octets behind the header."""
    changed = bytearray(octets)
    for _ in range(rng.randint(1, 3)):
        changed[rng.randrange(begin, len(changed))] = rng.randrange(256)
    return bytes(changed)


def established() -> Session:
    session = Session(SessionSettings(local_as=65001, peer_as=65001, identifier=1), 0)
    told = bgp.Open(asn=65001, hold_time=90, identifier=2, four_octets=True)
    session.receive(bgp.encode_open(told) + bgp.encode_keepalive(), 0)
    session.data_to_send()
    return session


def test_no_damaged_message_does_more_than_the_protocol_says() -> None:
    rng = random.Random(4)
    names = ("frr-bmp", "gobgp-bmp")
    seeds = [
        update.message
        for name in names
        for update in read_updates((FOLDER / f"{name}.bin").read_bytes(), is_bmp=True)
    ]
    seeds.append(bgp.encode(bgp.MessageType.UPDATE, body(GOOD, PREFIX)))
    with open_tables() as (rib, _):
        source = rib.open_source(Identity(Kind.IBGP, "a"), 1)
        assert source is not None
        session, ends = established(), 0
        rib.begin(source, 0, 0)
        updates: list[bgp.Update] = []
        for number in range(MESSAGES):
            events = session.receive(damage(rng, rng.choice(seeds), 19), 1)
            updates += [event for event in events if isinstance(event, bgp.Update)]
            if number % 100 == 99:
                for _ in rib.take(source, updates, 1, 0):
                    pass
                updates = []
            if any(isinstance(event, Closed) for event in events):
                assert session.state is State.CLOSED
                *_, last = bgp.split(session.data_to_send())
                assert bgp.decode_notification(last.body).error in {3, 6}
                session, ends = established(), ends + 1
        assert 0 < ends < MESSAGES
        assert source.faults > 100
        rib.lose(source, 2, keep=False)
        settle(rib, 2)
        for second in range(3, 30):
            rib.tick(second)
            settle(rib, second)
        assert [int(table.counts.sum()) for table in rib.tables.values()] == [0, 0]
        assert len(rib.facts) == 0


def test_no_damaged_message_ends_a_station_but_for_its_framing() -> None:
    rng = random.Random(5)
    data = (FOLDER / "gobgp-bmp.bin").read_bytes()
    for _ in range(300):
        station = Station("auto")
        for event in station.receive(damage(rng, data, 0)):
            assert event
        assert station.peers <= 1024
