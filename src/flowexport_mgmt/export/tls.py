"""TLS as octets in and octets out; the socket is somebody else's."""

from __future__ import annotations

import contextlib
import ssl
from typing import Final

_READ: Final = 16_384


class TlsLayer:
    """One client session.

    What has to be sent is collected until `take`; what was received is given to `receive`. Every
    call may raise ssl.SSLError.
    """

    def __init__(self, context: ssl.SSLContext, server_name: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._session = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=server_name
        )

    @property
    def version(self) -> str | None:
        """The version of the protocol, such as TLSv1.3; None before it was agreed on."""
        return self._session.version()

    def handshake(self) -> bool:
        """Go on with the handshake; tell whether it is done."""
        try:
            self._session.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def encrypt(self, octets: memoryview) -> None:
        """Turn octets into TLS records."""
        while octets:
            octets = octets[self._session.write(octets) :]

    def receive(self, octets: bytes) -> None:
        """Take what came from the peer."""
        self._incoming.write(octets)

    def read(self) -> bytes | None:
        """Give some of what the peer said; empty when it said nothing, None when it is done."""
        try:
            return self._session.read(_READ) or None
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLZeroReturnError:
            return None

    def finish(self) -> None:
        """Say goodbye to the peer."""
        with contextlib.suppress(ssl.SSLError):
            self._session.unwrap()

    def take(self) -> bytes:
        """Take what has to be sent."""
        return self._outgoing.read()
