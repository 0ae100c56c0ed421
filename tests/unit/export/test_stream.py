from __future__ import annotations

import contextlib
import errno
import re
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.batches import numbered
from tests.support.certificates import Authority
from tests.support.conditions import wait_until
from tests.support.ports import free_port
from tests.support.stream_peer import StreamPeer, server_context

from flowexport_mgmt.export import Facilities, KeyFolders, open_sender
from flowexport_mgmt.export.failure import LostError
from flowexport_mgmt.export.stream import CONNECT_S, StreamSender
from flowexport_mgmt.model.flow_export import Collector, CollectorTls, Protocol, Transport

SERVER = "collector.example"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    authority = Authority(folder)
    authority.issue("server", SERVER, "127.0.0.1")
    authority.issue("client")
    authority.issue("old", SERVER, days=-1)
    Authority(folder, "other").issue("stranger", SERVER)
    return folder


@pytest.fixture
def peer() -> Iterator[StreamPeer]:
    made = StreamPeer()
    yield made
    made.close()


class Line:
    """Both ends of one connection, driven by turns."""

    def __init__(
        self, peer: StreamPeer, transport: str = "tcp", keys: Path | None = None, **tls: str
    ) -> None:
        self.peer = peer
        self.now = 100.0
        config = Collector(
            name="c",
            address=peer.address,
            port=peer.port,
            protocol=Protocol.IPFIX,
            transport=Transport(transport),
            tls=CollectorTls(**tls),
        )
        sender = open_sender(config, Facilities(KeyFolders([keys] if keys else [])))
        assert isinstance(sender, StreamSender)
        self.sender = sender
        self.got = b""

    def connect(self) -> None:
        """Go on until messages can be sent."""
        assert not self.sender.advance(self.now) or self.peer.context is None
        self.peer.accept()
        self.until(lambda: self.sender.advance(self.now))

    def until(self, condition: Callable[[], object]) -> None:
        def turn() -> object:
            self.got += self.peer.receive()
            return condition()

        wait_until(turn, 5)

    def lose(self) -> LostError:
        """Go on until there is no connection, or none any more, at whichever end it fails."""
        lost: list[LostError] = []

        def is_lost() -> bool:
            if self.peer.connection is not None:
                with contextlib.suppress(OSError):
                    self.peer.receive()
            try:
                self.sender.advance(self.now)
            except LostError as error:
                lost.append(error)
            return bool(lost)

        wait_until(is_lost, 5)
        self.sender.close()
        return lost[0]

    def lose_in_handshake(self) -> LostError:
        """Connect, and go on until the handshake fails."""
        assert not self.sender.advance(self.now)
        self.peer.accept()
        return self.lose()


def test_messages_follow_each_other(peer: StreamPeer) -> None:
    line = Line(peer)
    line.connect()
    datagrams = numbered([100, 60, 300])
    assert line.sender.send(datagrams, 0, 2).handled == 2
    assert line.sender.send(datagrams, 2, 3).handled == 1
    line.until(lambda: line.got == bytes(datagrams.buffer))
    assert str(line.sender.local_address) == "127.0.0.1"
    assert (line.sender.method, line.sender.tls_version) == (None, None)
    line.sender.close()
    assert peer.connection is not None
    peer.connection.settimeout(5)
    assert peer.connection.recv(1) == b""


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_peer_that_does_not_read_gets_whole_messages_later(
    peer: StreamPeer, keys: Path, transport: str
) -> None:
    if transport == "tls":
        peer.context = server_context(keys, "server")
    line = Line(peer, transport, keys, **({"ca": "ca.pem"} if transport == "tls" else {}))
    line.connect()
    datagrams = numbered([1399] * 16)
    handled = calls = 0
    while (sent := line.sender.send(datagrams, 0, 16)).handled == 16:
        handled += 16
        calls += 1
        assert calls < 10_000
    handled += (last := sent.handled)

    def is_waiting() -> bool:
        waits = line.sender.interest
        return waits is not None and waits.write

    assert is_waiting()
    assert line.sender.send(datagrams, last, 16).handled == 0
    line.until(lambda: line.sender.advance(line.now) and not is_waiting())
    if last:
        line.sender.send(datagrams, last, 16)
        handled += 16 - last
    line.until(lambda: line.sender.advance(line.now) and len(line.got) >= handled * 1399)
    assert line.got == bytes(datagrams.buffer) * (handled // 16)
    line.sender.close()


def test_a_port_that_nobody_listens_on() -> None:
    port = free_port()
    peer = StreamPeer()
    peer.port = port
    lost = Line(peer).lose()
    assert lost.failure.name == "ECONNREFUSED"
    assert lost.failure.text == "Connection refused (ECONNREFUSED)"
    peer.close()


def test_a_peer_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        others = [socket.socket() for _ in range(3)]
        for other in others:  # fill the queue, so that nothing is answered any more
            other.setblocking(False)
            other.connect_ex(listener.getsockname())
        peer = StreamPeer()
        peer.port = listener.getsockname()[1]
        line = Line(peer)
        assert not line.sender.advance(line.now)
        assert line.sender.due == line.now + CONNECT_S
        assert not line.sender.advance(line.now + CONNECT_S - 0.01)
        with pytest.raises(LostError, match="ETIMEDOUT"):
            line.sender.advance(line.now + CONNECT_S)
        line.sender.close()
        peer.close()
        for other in others:
            other.close()


def test_a_server_that_never_shakes_hands_is_given_up(peer: StreamPeer, keys: Path) -> None:
    line = Line(peer, "tls", keys, ca="ca.pem")
    line.sender.advance(line.now)
    peer.accept()
    line.until(lambda: line.sender.advance(line.now) or len(line.got) > 100)
    with pytest.raises(LostError, match="ETIMEDOUT"):
        line.sender.advance(line.now + CONNECT_S)
    line.sender.close()


def test_a_connection_that_the_peer_closes_is_noticed(peer: StreamPeer) -> None:
    line = Line(peer)
    line.connect()
    assert line.sender.interest is not None
    assert line.sender.interest.read
    peer.hang_up()
    assert line.lose().failure.text == "the collector closed the connection"


def test_a_connection_that_the_peer_resets_is_noticed(peer: StreamPeer) -> None:
    line = Line(peer)
    line.connect()
    assert peer.connection is not None
    linger = struct.pack("ii", 1, 0)
    peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    peer.hang_up()
    assert line.lose().failure.name == "ECONNRESET"


def test_sending_to_a_peer_that_is_gone_says_why(peer: StreamPeer) -> None:
    line = Line(peer)
    line.connect()
    peer.hang_up()

    def send_on() -> None:
        wait_until(lambda: not line.sender.send(numbered([10]), 0, 1).handled)

    with pytest.raises(LostError) as lost:
        send_on()
    assert lost.value.failure.name in {"CLOSED", "ECONNRESET"}
    line.sender.close()


def test_a_peer_that_talks_on_and_on_is_left(peer: StreamPeer) -> None:
    line = Line(peer)
    line.connect()
    assert peer.connection is not None
    peer.connection.setblocking(True)
    peer.connection.sendall(bytes(60_000))
    time_limit = time.monotonic() + 5
    while line.sender._said < 60_000:
        assert line.sender.advance(line.now)
        assert time.monotonic() < time_limit
    peer.connection.sendall(bytes(10_000))
    peer.connection.setblocking(False)
    assert line.lose().failure.name == "EPROTO"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("mutual", [False, True])
def test_tls(peer: StreamPeer, keys: Path, version: ssl.TLSVersion, *, mutual: bool) -> None:
    peer.context = server_context(keys, "server", "ca" if mutual else "")
    peer.context.minimum_version = peer.context.maximum_version = version
    own = {"certificate": "client.pem", "private_key": "client.key"} if mutual else {}
    line = Line(peer, "tls", keys, ca="ca.pem", server_name=SERVER, **own)
    line.connect()
    datagrams = numbered([1400] * 16)
    assert line.sender.send(datagrams, 0, 16).handled == 16
    line.until(lambda: line.sender.advance(line.now) and line.got == bytes(datagrams.buffer))
    assert line.sender.tls_version == version.name.replace("_", ".")
    line.sender.close()
    line.until(lambda: not peer.receive())


def test_a_server_without_tickets_is_ready_a_moment_later(peer: StreamPeer, keys: Path) -> None:
    peer.context = server_context(keys, "server")
    peer.context.num_tickets = 0
    line = Line(peer, "tls", keys, ca="ca.pem")
    line.sender.advance(line.now)
    peer.accept()
    line.until(lambda: not line.sender.advance(line.now) and line.sender.due == line.now + 0.5)
    assert line.sender.tls_version == "TLSv1.3"
    assert line.sender.advance(line.now + 0.5)
    line.sender.close()


def test_an_address_is_a_name_too(peer: StreamPeer, keys: Path) -> None:
    peer.context = server_context(keys, "server")
    line = Line(peer, "tls", keys, ca="ca.pem")  # its certificate is for 127.0.0.1
    line.connect()
    line.sender.close()


@pytest.mark.parametrize(
    ("server", "settings", "words"),
    [
        ("stranger", {"ca": "ca.pem"}, "unable to get local issuer certificate"),
        ("server", {}, "unable to get local issuer certificate"),
        ("server", {"ca": "ca.pem", "server_name": "b"}, "Hostname mismatch, .* valid for 'b'"),
        ("old", {"ca": "ca.pem"}, "certificate has expired"),
    ],
)
def test_who_cannot_be_believed(
    peer: StreamPeer, keys: Path, server: str, settings: dict[str, str], words: str
) -> None:
    peer.context = server_context(keys, server)
    settings = {"server_name": SERVER, **settings}
    lost = Line(peer, "tls", keys, **settings).lose_in_handshake()
    assert lost.failure.name == "CERTIFICATE_VERIFY_FAILED"
    assert re.match(f"TLS: certificate verify failed: {words}", lost.failure.text)


@pytest.mark.parametrize(
    ("version", "certificate", "words"),
    [
        (ssl.TLSVersion.TLSv1_3, "", "certificate required"),
        (ssl.TLSVersion.TLSv1_2, "", "handshake failure"),
        (ssl.TLSVersion.TLSv1_3, "stranger", "unknown ca"),
        (ssl.TLSVersion.TLSv1_2, "stranger", "unknown ca"),
    ],
)
def test_who_does_not_believe_us(
    peer: StreamPeer, keys: Path, version: ssl.TLSVersion, certificate: str, words: str
) -> None:
    """Under TLS 1.3 the refusal comes after the handshake, and is waited for."""
    peer.context = server_context(keys, "server", "ca")
    peer.context.minimum_version = peer.context.maximum_version = version
    own = {"certificate": f"{certificate}.pem", "private_key": f"{certificate}.key"}
    line = Line(peer, "tls", keys, ca="ca.pem", **(own if certificate else {}))
    lost = line.lose_in_handshake()
    assert lost.failure.text.startswith("TLS: the collector refused: ")
    assert words in lost.failure.text


def test_tls_1_1_is_refused(peer: StreamPeer, keys: Path) -> None:
    peer.context = server_context(keys, "server")
    for bound in ("minimum_version", "maximum_version"):
        with pytest.warns(DeprecationWarning, match=r"TLSv1_1 is deprecated"):
            setattr(peer.context, bound, ssl.TLSVersion.TLSv1_1)
    peer.context.set_ciphers("DEFAULT:@SECLEVEL=0")
    lost = Line(peer, "tls", keys, ca="ca.pem").lose_in_handshake()
    assert "PROTOCOL" in lost.failure.name


def test_a_server_that_speaks_something_else(peer: StreamPeer, keys: Path) -> None:
    line = Line(peer, "tls", keys, ca="ca.pem")
    line.sender.advance(line.now)
    peer.accept().sendall(b"220 mail.example ESMTP\r\n")
    assert line.lose().failure.name == "WRONG_VERSION_NUMBER"


def test_bad_addresses_are_errors_of_the_system(peer: StreamPeer) -> None:
    peer.address = "255.255.255.255"
    lost = Line(peer).lose()
    assert lost.failure.number in {errno.ENETUNREACH, errno.EACCES}
