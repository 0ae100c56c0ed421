"""A commit that changes one collector is not felt by the others."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from interop.daemon import Daemon, collector
from interop.judges import Capture
from interop.namespaces import Link, eventually

PROTOCOLS = ("netflow9", "ipfix", "sflow")
COMMITS = 5


@pytest.fixture(scope="module")
def capture(pair: Link, folder: Path) -> Iterator[Capture]:
    made = Capture(pair.near, folder / "capture")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def ports(pair: Link, exporter: Daemon, capture: Capture) -> Iterator[dict[str, int]]:
    """Send to three collectors while a fourth is changed, then removed, at every second poll."""
    sinks = {name: pair.near.udp("127.0.0.1") for name in (*PROTOCOLS, "changed")}
    found = {name: int(sink.getsockname()[1]) for name, sink in sinks.items()}
    exporter.commit(*(collector(name, name, found[name]) for name in PROTOCOLS))
    for number in range(COMMITS):
        protocol = PROTOCOLS[number % len(PROTOCOLS)]
        exporter.commit(collector("changed", protocol, found["changed"]))
        eventually(functools.partial(_all_grew, exporter, _sent(exporter)), "a further poll")
        with exporter.session() as session:
            session.edit_config(target="running", config=_DELETE)
    exporter.stop()
    capture.stop()
    yield found
    for sink in sinks.values():
        sink.close()


_DELETE = """<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">
  <flow-export xmlns="urn:flowexport:flow-export">
    <collector xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="delete">
      <name>changed</name></collector></flow-export></config>"""


def _sent(exporter: Daemon) -> dict[str, int]:
    return {e["name"]: int(e["datagrams-sent"]) for e in exporter.show("show flow-export")}


def _all_grew(exporter: Daemon, before: dict[str, int]) -> bool:
    now = _sent(exporter)
    return all(now[name] > before[name] for name in before)


def test_the_changed_one_was_sent_to(ports: dict[str, int], capture: Capture) -> None:
    rows = capture.rows(ports["changed"], "data", "udp.srcport")
    assert len({row[0] for row in rows}) == COMMITS  # a new socket each time it came back


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_others_keep_their_socket(ports: dict[str, int], capture: Capture, name: str) -> None:
    rows = capture.rows(ports[name], "data", "udp.srcport")
    assert len(rows) > COMMITS
    assert len({row[0] for row in rows}) == 1


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_others_have_no_gap(ports: dict[str, int], capture: Capture, name: str) -> None:
    decode = "sflow" if name == "sflow" else "cflow"
    assert capture.faults(ports[name], decode) == []
    field = "sflow_245.sequence_number" if name == "sflow" else "cflow.sequence"
    numbers = [int(row[0]) for row in capture.rows(ports[name], decode, field)]
    assert numbers == sorted(set(numbers))
    if name != "ipfix":  # IPFIX counts records, which tshark has checked
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize("name", ["netflow9", "ipfix"])
def test_the_others_get_their_templates_once(
    ports: dict[str, int], capture: Capture, name: str
) -> None:
    rows = capture.rows(ports[name], "cflow", "frame.number", show="cflow.template_id == 257")
    assert len(rows) == 1
