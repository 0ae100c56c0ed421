"""A NETCONF server that knows one answer: asyncssh, lxml to read the request, canned octets.

``python netconf.py REPLY`` prints the port that it listens on; the user's key is whatever is shown.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import asyncssh
from lxml import etree

HELLO = (
    b'<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities><capability>'
    b"urn:ietf:params:netconf:base:1.1</capability></capabilities><session-id>1</session-id>"
    b"</hello>]]>]]>"
)


class Session(asyncssh.SSHServerSession[bytes]):
    """Answers each request with the same reply."""

    def __init__(self, reply: bytes) -> None:
        self._reply = reply
        self._buffer = b""
        self._channel: asyncssh.SSHServerChannel[bytes]

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def subsystem_requested(self, subsystem: str) -> bool:
        return subsystem == "netconf"

    def session_started(self) -> None:
        self._channel.write(HELLO)

    def data_received(self, data: bytes, *_: object) -> None:
        self._buffer += data
        _before, hello, rest = self._buffer.partition(b"]]>]]>")
        self._buffer = rest if hello else self._buffer  # nothing else holds these octets
        while b"\n##\n" in self._buffer:
            request, _end, self._buffer = self._buffer.partition(b"\n##\n")
            etree.fromstring(request[request.index(b"<") :])
            self._channel.write(self._reply)


class Server(asyncssh.SSHServer):
    """Lets everybody in who shows a key."""

    reply = b""

    def validate_public_key(self, *_: object) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        return Session(self.reply)


async def main() -> None:
    """Serve until ended."""
    listener = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Server,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        encoding=None,
        line_editor=False,
        gss_host=None,
    )
    print(listener.get_port(), flush=True)
    await asyncio.Event().wait()


Server.reply = Path(sys.argv[1]).read_bytes()
asyncio.run(main())
