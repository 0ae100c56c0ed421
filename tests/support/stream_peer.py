"""A collector of IPFIX over TCP or TLS: a listening socket and what comes in by it."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from pathlib import Path

from flowexport_mgmt.wire.decoder import Decoder
from flowexport_mgmt.wire.messages import Message


def server_context(folder: Path, name: str, ca: str = "") -> ssl.SSLContext:
    """Make the context of a server; with ``ca`` it insists on a certificate of its clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    if ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / f"{ca}.pem")
    return context


class StreamPeer:
    """Accepts one connection after the other; a test calls it while the exporter does its part.

    ``listener`` is made in the network namespace of the thread that makes it.
    """

    def __init__(
        self, address: str = "127.0.0.1", port: int = 0, context: ssl.SSLContext | None = None
    ) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, port), family=family)
        self.listener.settimeout(5)
        self.address = address
        self.port: int = self.listener.getsockname()[1]
        self.context = context
        self.connection: socket.socket | None = None

    def accept(self) -> socket.socket:
        """Take the next connection; over TLS the handshake is done at the first `receive`."""
        self.hang_up()
        self.connection, _ = self.listener.accept()
        if self.context is not None:
            self.connection = self.context.wrap_socket(
                self.connection, server_side=True, do_handshake_on_connect=False
            )
        self.connection.setblocking(False)
        return self.connection

    def receive(self) -> bytes:
        """Take what has come, without waiting."""
        assert self.connection is not None
        got = b""
        try:
            while octets := self.connection.recv(65_536):
                got += octets
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        return got

    def hang_up(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def close(self) -> None:
        self.hang_up()
        self.listener.close()


class Conversation:
    """The messages of one connection, decoded; a fault or a gap in the sequence fails the test."""

    def __init__(self, peer: StreamPeer) -> None:
        self._peer = peer
        self._decoder = Decoder()
        self._octets = b""

    def take(self) -> list[Message]:
        """Take the whole messages that have come."""
        self._octets += self._peer.receive()
        found = []
        while len(self._octets) >= 4:
            version, length = struct.unpack_from("!HH", self._octets)
            assert version == 10
            if len(self._octets) < length:
                break
            message = self._decoder.receive(self._octets[:length], ("peer", 1), time.time_ns())
            assert not message.faults, message.faults
            assert not message.lost
            found.append(message)
            self._octets = self._octets[length:]
        return found
