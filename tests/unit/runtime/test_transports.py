"""IPFIX over TCP and TLS, led by the data plane."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.certificates import Authority
from tests.support.conditions import wait_until
from tests.support.interfaces import FakeKernel, make_batch
from tests.support.receiver import receiver
from tests.support.runtimes import Plane, fake_source, plane
from tests.support.sessions import config
from tests.support.stream_peer import Conversation, StreamPeer, server_context

from flowexport_mgmt.export import Facilities, KeyFolders
from flowexport_mgmt.export.stream import StreamSender
from flowexport_mgmt.model.flow_export import Collector, CollectorTls, Transport
from flowexport_mgmt.pipeline import Lane
from flowexport_mgmt.wire.messages import Message

INTERFACES = 40


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "tls"
    authority = Authority(folder)
    authority.issue("server", "127.0.0.1", "::1")
    authority.issue("client")
    return folder


@pytest.fixture
def data_plane(kernel: FakeKernel, tmp_path: Path) -> Iterator[Plane]:
    with plane(fake_source(kernel), Facilities(KeyFolders([tmp_path / "tls"]))) as made:
        yield made


@pytest.fixture
def stream_peer() -> Iterator[StreamPeer]:
    made = StreamPeer()
    yield made
    made.close()


def to(peer: StreamPeer, transport: str = "tcp", **settings: Any) -> Collector:
    values: dict[str, Any] = {
        "address": peer.address,
        "port": peer.port,
        "polling_interval": 1,
        "transport": Transport(transport),
    }
    return config("ipfix", **(values | settings))


def converse(conversation: Conversation, kind: str = "data", count: int = 1) -> list[Message]:
    """Take messages until so many records of a kind have come."""
    got: list[Message] = []

    def enough() -> bool:
        got.extend(conversation.take())
        return sum(record.kind == kind for message in got for record in message.records) >= count

    wait_until(enough, 6)
    return got


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_each_connection_is_a_session_of_its_own(
    data_plane: Plane, keys: Path, transport: str, address: str
) -> None:
    peer = StreamPeer(address)
    settings: dict[str, Any] = {"polling_interval": 1}
    if transport == "tls":
        peer.context = server_context(keys, "server", "ca")
        settings["tls"] = CollectorTls(
            certificate="client.pem", private_key="client.key", ca="ca.pem"
        )
    data_plane.commit(to(peer, transport, **settings))
    templates = 0
    for connections in (1, 2):
        peer.accept()
        got = converse(Conversation(peer), count=2 * INTERFACES)
        assert got[0].sequence == 0
        found = data_plane.await_status("c", "up")
        templates = templates or found.templates_sent or 0
        assert found.templates_sent == templates * connections > 0
        records = sum(len(message.records) for message in got)
        assert found.sequence == records
        assert found.connections == connections
        assert found.tls_version == ("TLSv1.3" if transport == "tls" else None)
        peer.hang_up()
        found = data_plane.await_status("c", "down")
        assert found.oper_reason is not None
        assert found.oper_reason.startswith(f"address {address} port {peer.port}: ")
    assert data_plane.changes("c")[:5] == ["down", "up", "down", "up", "down"]
    assert found.send_method is None
    assert found.send_fallbacks is None
    peer.close()


def test_templates_are_not_repeated_on_a_connection(
    data_plane: Plane, stream_peer: StreamPeer
) -> None:
    data_plane.commit(to(stream_peer, template_refresh=1, interface_options=False))
    stream_peer.accept()
    conversation = Conversation(stream_peer)
    converse(conversation)
    templates = data_plane.statistics("c").templates_sent
    converse(conversation, count=3 * 2 * INTERFACES)
    assert data_plane.statistics("c").templates_sent == templates


def test_a_peer_that_closes_is_noticed_between_polls(
    data_plane: Plane, stream_peer: StreamPeer
) -> None:
    data_plane.commit(to(stream_peer, polling_interval=3600))
    stream_peer.accept()
    data_plane.await_status("c", "up")
    converse(Conversation(stream_peer), "options", INTERFACES)
    stream_peer.hang_up()
    found = data_plane.await_status("c", "down", 2)
    assert found.oper_reason is not None
    assert found.oper_reason.endswith("the collector closed the connection")
    assert [(entry.error, entry.count) for entry in found.send_failure] == [("CLOSED", 1)]
    stream_peer.accept()  # it comes back by itself
    data_plane.await_status("c", "up")


def test_nobody_listens_until_somebody_does(data_plane: Plane, stream_peer: StreamPeer) -> None:
    port = stream_peer.port
    stream_peer.close()
    data_plane.commit(to(stream_peer, polling_interval=3600))
    wanted = f"address 127.0.0.1 port {port}: Connection refused (ECONNREFUSED)"
    wait_until(lambda: data_plane.statistics("c").oper_reason == wanted)
    counted = data_plane.statistics("c")
    assert counted.errors
    assert counted.last_error == "Connection refused (ECONNREFUSED)"
    assert (counted.connections, counted.datagrams_sent) == (0, 0)
    late = StreamPeer(port=port)
    late.accept()
    data_plane.await_status("c", "up")
    late.close()


def test_a_collector_that_does_not_read_holds_up_nobody(
    data_plane: Plane, stream_peer: StreamPeer, kernel: FakeKernel
) -> None:
    """Its oldest polls are dropped whole and counted, and its messages stay whole."""
    del kernel.links[2:]
    with receiver() as beside:
        stuffed = to(stream_peer, max_datagram_size=464, polling_interval=1)
        data_plane.commit(
            stuffed, config("netflow9", name="beside", port=beside.port, polling_interval=1)
        )
        stream_peer.accept()
        data_plane.await_status("c", "up")
        fill(data_plane.runtime.collectors._running["c"].lane)
        arrivals = [beside.receive_until("data").arrived for _ in range(3)]
        gaps = [after - before for before, after in itertools.pairwise(arrivals)]
        assert max(gaps) < 1.6
    counted = data_plane.statistics("c")
    assert counted.dropped_records
    assert (counted.oper_status, counted.errors) == ("up", 0)
    converse(Conversation(stream_peer), count=10_000)
    stream_peer.hang_up()


def fill(lane: Lane) -> None:
    """Offer polls until the connection takes no more and the queue is full."""
    many = dict.fromkeys(range(1, 3001), 5)

    def is_full() -> bool:
        lane.offer(make_batch(many))
        return bool(lane.report().dropped_records)

    wait_until(is_full, 20)


@pytest.mark.parametrize(
    ("missing", "path"),
    [
        ("client.pem", "certificate"),
        ("client.key", "private-key"),
        ("ca.pem", "ca"),
    ],
)
def test_credentials_are_checked_at_the_commit_and_come_later_otherwise(
    data_plane: Plane, stream_peer: StreamPeer, keys: Path, missing: str, path: str
) -> None:
    stream_peer.context = server_context(keys, "server", "ca")
    shutil.move(keys / missing, keys / "elsewhere")
    tls = CollectorTls(certificate="client.pem", private_key="client.key", ca="ca.pem")
    secure = to(stream_peer, "tls", tls=tls)
    (refusal,) = data_plane.prepare(secure)
    assert refusal.path == f"/flow-export:flow-export/collector[name='c']/tls/{path}"
    assert refusal.message == f"tls/{path} {missing}: there is no such file in {keys}"
    data_plane.commit(secure, strict=False)
    assert data_plane.statistics("c").oper_reason == refusal.message
    shutil.move(keys / "elsewhere", keys / missing)
    data_plane.commit(secure, strict=False)  # what a reload does: it tries at once
    stream_peer.accept()
    converse(Conversation(stream_peer))
    data_plane.await_status("c", "up")


def test_new_credentials_are_for_new_connections(
    data_plane: Plane, stream_peer: StreamPeer, keys: Path
) -> None:
    stream_peer.context = server_context(keys, "server", "ca")
    tls = CollectorTls(certificate="client.pem", private_key="client.key", ca="ca.pem")
    secure = to(stream_peer, "tls", tls=tls)
    data_plane.commit(secure)
    connection = stream_peer.accept()
    conversation = Conversation(stream_peer)
    converse(conversation)
    (keys / "client.pem").write_text("no certificate any more")
    data_plane.commit(secure, strict=False)
    converse(conversation)  # the same connection goes on
    assert stream_peer.connection is connection
    stream_peer.hang_up()
    wait_until(
        lambda: (
            data_plane.statistics("c").oper_reason
            == "tls/certificate client.pem: it holds no certificate"
        ),
        8,
    )
    Authority(keys)  # another authority, and what it signs
    authority = Authority(keys)
    authority.issue("client")
    authority.issue("server", "127.0.0.1")
    stream_peer.context = server_context(keys, "server", "ca")
    data_plane.commit(secure, strict=False)
    stream_peer.accept()
    converse(Conversation(stream_peer))


def test_a_certificate_that_is_not_the_collectors(
    data_plane: Plane, stream_peer: StreamPeer, keys: Path
) -> None:
    stream_peer.context = server_context(keys, "server")
    tls = CollectorTls(ca="ca.pem", server_name="collector.example")
    data_plane.commit(to(stream_peer, "tls", tls=tls))
    stream_peer.accept()

    def reason() -> str:
        with contextlib.suppress(OSError):
            stream_peer.receive()
        return data_plane.statistics("c").oper_reason or ""

    wait_until(lambda: "certificate verify failed: Hostname mismatch" in reason(), 5)
    found = data_plane.statistics("c")
    assert found.send_failure[0].error == "CERTIFICATE_VERIFY_FAILED"
    assert found.connections == 0


@pytest.mark.parametrize(
    "change",
    [
        {"transport": Transport.UDP},
        {"transport": Transport.TLS},
        {"network_instance": "red"},
        {"tls": CollectorTls(ca="ca.pem")},
    ],
)
def test_another_transport_is_another_session(
    data_plane: Plane, stream_peer: StreamPeer, change: dict[str, Any]
) -> None:
    data_plane.commit(to(stream_peer, polling_interval=3600))
    stream_peer.accept()
    data_plane.await_status("c", "up")
    before = data_plane.runtime.collectors._running["c"].lane
    values = {"transport": Transport.TCP} | change
    data_plane.commit(to(stream_peer, polling_interval=3600, **values), strict=False)
    assert data_plane.runtime.collectors._running["c"].lane is not before
    assert stream_peer.connection is not None
    stream_peer.connection.settimeout(5)
    while stream_peer.connection.recv(65_536):
        pass


def test_dscp_and_source_address_of_a_connection(
    data_plane: Plane, stream_peer: StreamPeer
) -> None:
    data_plane.commit(to(stream_peer, dscp=46, source_address="127.0.0.9"))
    connection = stream_peer.accept()
    assert connection.getpeername()[0] == "127.0.0.9"
    data_plane.await_status("c", "up")
    data_plane.commit(to(stream_peer, dscp=10, source_address="127.0.0.9"))
    converse(Conversation(stream_peer))
    assert stream_peer.connection is connection
    sender = data_plane.runtime.collectors._running["c"].lane._collector._sender
    assert isinstance(sender, StreamSender)
    assert sender._socket.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 10 << 2


def test_rate_limit_holds_for_messages_too(data_plane: Plane, stream_peer: StreamPeer) -> None:
    data_plane.commit(to(stream_peer, polling_interval=3600, rate_limit=20, max_datagram_size=464))
    stream_peer.accept()
    begin = time.monotonic()
    got = converse(Conversation(stream_peer), "options", INTERFACES)
    assert time.monotonic() - begin >= (len(got) - 1) / 20 - 0.05


def test_disabling_ends_the_connection(data_plane: Plane, stream_peer: StreamPeer) -> None:
    data_plane.commit(to(stream_peer))
    stream_peer.accept()
    data_plane.await_status("c", "up")
    data_plane.commit(to(stream_peer, enabled=False))
    found = data_plane.statistics("c")
    assert (found.oper_status, found.tls_version) == ("disabled", None)
    assert stream_peer.connection is not None
    stream_peer.connection.settimeout(5)
    while stream_peer.connection.recv(65_536):
        pass
    data_plane.commit(to(stream_peer))
    stream_peer.accept()
    converse(Conversation(stream_peer))
