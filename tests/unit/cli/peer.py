"""A NETCONF peer on a Unix socket whose replies the test chooses."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

from flowexport_mgmt.wire.netconf import Decoder, Framing, encode

CONTENT_ID = "0123456789abcdef"
HELLO = (
    b'<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities><capability>'
    b"urn:ietf:params:netconf:base:1.1</capability><capability>"
    b"urn:ietf:params:netconf:capability:yang-library:1.1?revision=2019-01-04&amp;content-id="
    b"0123456789abcdef</capability></capabilities><session-id>4</session-id></hello>"
)
REPLY = '<rpc-reply xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" message-id="1">{}</rpc-reply>'


class Peer:
    """Answers every rpc with ``answer(rpc)``, raw octets; an empty answer closes the connection."""

    def __init__(self, path: Path, answer: Callable[[bytes], bytes], hello: bytes = HELLO) -> None:
        self.requests: list[bytes] = []
        self._answer = answer
        self._hello = hello
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the connections that were made."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        connection.sendall(encode(self._hello, Framing.END_OF_MESSAGE))
        decoder = Decoder()
        while data := connection.recv(65536):
            messages = decoder.feed(data)
            if decoder.framing is None:
                messages = decoder.resume(Framing.CHUNKED)
            for message in messages:
                self.requests.append(message)
                answer = self._answer(message)
                if not answer:
                    return
                connection.sendall(answer)


def data(content: str) -> bytes:
    """Frame a reply that holds data."""
    return reply(f"<data>{content}</data>")


def reply(content: str) -> bytes:
    """Frame a reply."""
    return encode(REPLY.format(content).encode(), Framing.CHUNKED)
