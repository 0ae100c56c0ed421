"""Names of addresses: asked many at a time, never waited for without end."""

from __future__ import annotations

import threading

from flowexport_mgmt.cli.pipes import names
from flowexport_mgmt.cli.pipes.addresses import addresses_in, annotated
from flowexport_mgmt.cli.pipes.names import names_of
from flowexport_mgmt.cli.values import Value

FLOWS: Value = [
    {"src": "192.0.2.1", "dst": "2001:db8::1", "port": 9, "path": "1.2", "inner": {"to": "::"}},
    {"src": "192.0.2.1", "dst": "here", "many": ["192.0.2.9"]},
]


def test_addresses_are_found_wherever_they_stand() -> None:
    found = ["192.0.2.1", "2001:db8::1", "::", "192.0.2.1", "192.0.2.9"]
    assert list(addresses_in(FLOWS)) == found


def test_a_name_stands_beside_its_address() -> None:
    known: dict[str, Value] = {"192.0.2.1": "a.example", "::": "any"}
    assert annotated(FLOWS, known, "host-name") == [
        {
            "src": "192.0.2.1",
            "src-host-name": "a.example",
            "dst": "2001:db8::1",
            "port": 9,
            "path": "1.2",
            "inner": {"to": "::", "to-host-name": "any"},
        },
        {"src": "192.0.2.1", "src-host-name": "a.example", "dst": "here", "many": ["192.0.2.9"]},
    ]


def test_each_address_is_asked_for_once() -> None:
    asked: list[str] = []

    def look(address: str) -> str:
        asked.append(address)
        return "" if address == "::1" else f"{address}.example"

    assert names_of(iter(["::1", "::2", "::1", "::2"]), look) == {"::2": "::2.example"}
    assert sorted(asked) == ["::1", "::2"]


def test_those_that_are_late_are_left_out() -> None:
    release = threading.Event()

    def look(address: str) -> str:
        if address == "::1":
            release.wait(20)
        return "name"

    try:
        assert names_of(iter(["::1", "::2"]), look, patience=0.5) == {"::2": "name"}
    finally:
        release.set()


def test_no_more_are_asked_for_than_somebody_reads() -> None:
    asked: list[str] = []

    def look(address: str) -> str:
        asked.append(address)
        return address

    many = [f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}" for i in range(names._MOST + 50)]
    assert len(names_of(iter(many), look, patience=20)) == len(asked) == names._MOST


def test_the_resolver_is_asked() -> None:
    assert names_of(iter(["127.0.0.1", "192.0.2.1"])).keys() <= {"127.0.0.1"}
