from __future__ import annotations

import io

import pytest
from rich.console import Console

from flowexport_mgmt.collect.tally import Tally
from flowexport_mgmt.collect.view import View, scale
from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.messages import Message, Record

BEGUN_NS = 1_800_000_000_000_000_000
SECOND_NS = 1_000_000_000
LISTENING = ["127.0.0.1:6343", "127.0.0.1:4739"]


def draw(tally: Tally, *, at: float = 5, width: int = 140, lines: int = 40) -> str:
    view = View(tally, LISTENING, BEGUN_NS)
    picture = view.render(BEGUN_NS + int(at * SECOND_NS), width=width, lines=lines)
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    with console.capture() as drawn:
        console.print(picture)
    return drawn.get()


def ingress(index: int, octets: int, milliseconds: int = 1_000) -> Record:
    fields = {
        "octetDeltaCount": octets,
        "packetDeltaCount": octets // 100,
        "ingressInterface": index,
        "flowDirection": 0,
        "flowStartMilliseconds": 0,
        "flowEndMilliseconds": milliseconds,
    }
    return Record("data", {**fields}, 0)


def named(index: int, name: str) -> Record:
    return Record("options", {"scopeInterface": index, "interfaceName": name}, 0)


def receive(
    tally: Tally, *records: Record, port: int = 4739, protocol: str = "ipfix", faults: int = 0
) -> None:
    found = (DecodeError("sequence-gap", "lost"),) * faults
    source = ("192.0.2.7", 1)
    tally.receive(port, Message(protocol, source, BEGUN_NS, records=records, faults=found))


def row_of(picture: str, text: str) -> str:
    (row,) = [line for line in picture.splitlines() if text in line]
    return row


def test_it_says_what_it_waits_for_and_for_how_long() -> None:
    picture = draw(Tally(), at=12.9)
    assert "waiting for the first datagram on 127.0.0.1:6343, 127.0.0.1:4739  12 s" in picture


def test_a_name_is_text_and_neither_markup_nor_orders_to_the_terminal() -> None:
    tally = Tally()
    receive(tally, named(7, "[/red]\x1b[2J"), ingress(7, 2_500_000))
    assert row_of(draw(tally), r"[/red]\x1b[2J")


def test_an_interface_has_its_name_rates_and_totals() -> None:
    tally = Tally()
    receive(tally, named(7, "eth0"), ingress(7, 2_500_000))
    receive(tally, ingress(7, 5_000_000))
    row = row_of(draw(tally), "eth0")
    assert row.split()[:6] == ["ipfix", ":4739", "192.0.2.7", "eth0", "5.0", "MB/s"]
    assert "50.0 k" in row
    assert "7.5 MB" in row
    assert "▄█" in row


def test_rates_wait_for_the_second_poll() -> None:
    tally = Tally()
    sample = Record("counter-sample", {"ifIndex": 7, "ifInOctets": 5}, 0)
    receive(tally, sample, protocol="sflow", port=6343)
    assert row_of(draw(tally), "#7").count("…") == 4


def test_all_collectors_are_in_one_picture() -> None:
    tally = Tally()
    receive(tally, ingress(7, 100))
    receive(tally, ingress(7, 100), port=2055, protocol="netflow9")
    receive(tally, port=6343, protocol="sflow")
    picture = draw(tally)
    places = [picture.index(text) for text in ("netflow9 :2055", "ipfix :4739", "sflow :6343")]
    assert places == sorted(places)
    assert "no counters yet" in row_of(picture, "sflow :6343")
    assert "3 datagrams" in row_of(picture, "faults")


def test_sequence_errors_are_shown_once_for_each_exporter() -> None:
    tally = Tally()
    receive(tally, ingress(7, 100), ingress(8, 100), faults=3)
    picture = draw(tally)
    assert row_of(picture, "#7").rstrip().endswith(" 3")
    assert not row_of(picture, "#8").rstrip().endswith(" 3")
    assert "3 faults" in picture


def test_the_busiest_interfaces_are_shown_when_there_are_too_many() -> None:
    tally = Tally()
    receive(tally, *[ingress(index, index * 1_000) for index in range(1, 51)])
    picture = draw(tally, lines=20)
    assert len(picture.splitlines()) <= 20
    assert "#50" in picture
    assert "#1 " not in picture
    hidden = 50 - sum(f"#{index} " in picture for index in range(1, 51))
    assert f"and {hidden} quieter" in picture
    places = [picture.index(f"#{index} ") for index in (45, 48, 50)]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("width", "shown", "hidden"),
    [
        (80, ["in", "pkt/s", "out", "seq err"], ["total in", "trend", "exporter"]),
        (104, ["total in", "total out"], ["trend", "exporter"]),
        (119, ["trend"], ["exporter"]),
        (132, ["trend", "exporter"], []),
    ],
)
def test_a_narrow_terminal_has_fewer_columns_and_none_is_cut(
    width: int, shown: list[str], hidden: list[str]
) -> None:
    tally = Tally()
    receive(
        tally,
        named(7, "enp10s0f0np1.100"[:15]),
        ingress(7, 123_456_789),
        port=65_535,
        protocol="netflow9",
    )  # fmt: skip - the call goes on
    picture = draw(tally, width=width)
    head = picture.splitlines()[1]
    assert all(heading in head for heading in shown)
    assert not any(heading in head for heading in hidden)
    assert "…" not in head
    assert "netflow9 :65535" in picture
    assert "enp10s0f0np1.10" in picture


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 "),
        (999, "999 "),
        (999.6, "1.0 k"),
        (12_345, "12.3 k"),
        (99_960, "100 k"),
        (5e8, "500 M"),
        (1.5e13, "15.0 T"),
        (2**64, "18446.7 P"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert scale(value) == text
