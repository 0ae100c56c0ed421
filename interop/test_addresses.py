"""Where datagrams come from and go to: source addresses, IPv6, DSCP, an address that vanishes."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from interop.daemon import Daemon, collector
from interop.judges import Capture
from interop.namespaces import Link, eventually
from ncclient.operations import RPCError


def test_source_address_dscp_and_ipv6(pair: Link, exporter: Daemon, folder: Path) -> None:
    capture = Capture(pair.near, folder / "capture")
    with pair.near.udp("127.0.0.1") as four, pair.near.udp("::1") as six:
        ports = four.getsockname()[1], six.getsockname()[1]
        exporter.commit(
            collector("four", "ipfix", ports[0], source_address="127.0.0.9", dscp=10),
            collector("six", "sflow", ports[1], address="::1", agent_address="2001:db8::7"),
        )
        four.recv(65535)
        six.recv(65535)
    capture.stop()
    four_rows = capture.rows(ports[0], "cflow", "ip.src", "ip.dsfield.dscp")
    assert {tuple(row) for row in four_rows} == {("127.0.0.9", "10")}
    six_rows = capture.rows(ports[1], "sflow", "ipv6.src", "sflow_245.agent.v6")
    assert {tuple(row) for row in six_rows} == {("::1", "2001:db8::7")}


def test_an_address_that_is_not_ours_refuses_the_commit(exporter: Daemon) -> None:
    before = exporter.show("show configuration | json")
    with pytest.raises(RPCError) as caught:
        exporter.commit(collector("lost", "sflow", 6343, source_address="198.51.100.1"))
    assert "198.51.100.1" in caught.value.message
    assert caught.value.path.endswith("[fe:name='lost']/fe:source-address")
    assert exporter.show("show configuration | json") == before


def test_an_address_that_vanished_while_the_daemon_was_down(pair: Link, exporter: Daemon) -> None:
    near = pair.near
    with near.udp("127.0.0.1") as kept, near.udp("127.0.0.1") as lost:
        near.ip("address", "add", "198.51.100.9/32", "dev", "wan")
        exporter.commit(
            collector("kept", "ipfix", kept.getsockname()[1]),
            collector("lost", "netflow9", lost.getsockname()[1], source_address="198.51.100.9"),
        )
        assert lost.recvfrom(65535)[1][0] == "198.51.100.9"
        exporter.stop()
        near.ip("address", "delete", "198.51.100.9/32", "dev", "wan")
        _drain(kept, lost)
        exporter.start()
        assert kept.recv(65535)
        down = exporter.statistics("lost")
        assert down["oper-status"] == "down"
        assert "198.51.100.9" in down["oper-reason"]
        assert exporter.statistics("kept")["oper-status"] == "up"
        near.ip("address", "add", "198.51.100.9/32", "dev", "wan")
        eventually(lambda: exporter.statistics("lost")["oper-status"] == "up", "it comes back", 30)
        assert lost.recvfrom(65535)[1][0] == "198.51.100.9"
        assert "oper-reason" not in exporter.statistics("lost")


def _drain(*sinks: socket.socket) -> None:
    for sink in sinks:
        sink.setblocking(False)
        try:
            while sink.recv(65535):
                pass
        except BlockingIOError:
            sink.settimeout(10)
