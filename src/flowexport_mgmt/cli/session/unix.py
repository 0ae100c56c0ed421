"""A session on the daemon's Unix socket: hello, one request at a time, close.

It does what the command line needs and no more: base:1.1 framing, replies in order, every wait
bounded by a deadline.
"""

from __future__ import annotations

import itertools
import os
import socket
import time
from pathlib import Path
from typing import Final

from lxml import etree

from flowexport_mgmt.cli.session.replies import NETCONF, NotReachedError, checked, nc, parse
from flowexport_mgmt.cli.session.session import Session
from flowexport_mgmt.wire.netconf import Decoder, Framing, encode

_BASE_1_1: Final = "urn:ietf:params:netconf:base:1.1"
_HELLO: Final = (
    f'<hello xmlns="{NETCONF}"><capabilities><capability>{_BASE_1_1}</capability>'
    "</capabilities></hello>"
).encode()
_READ: Final = 1 << 18
TIMEOUT: Final = 30.0


def default_socket() -> Path:
    """Find the daemon's socket: the system's, else the one of this user's own daemon."""
    system = Path("/run/flowexport/netconf.sock")
    home = os.environ.get("XDG_STATE_HOME", "")
    parent = Path(home) if home.startswith("/") else Path.home() / ".local" / "state"
    own = parent / "flowexport" / "run" / "netconf.sock"
    return own if own.exists() and not system.exists() else system


class UnixSession(Session):
    """Connects and exchanges hellos when it is made.

    Raises:
        NotReachedError: nobody listens, or what listens is no NETCONF 1.1 server.
    """

    def __init__(self, path: Path, *, timeout: float = TIMEOUT) -> None:
        self.place = str(path)
        self._timeout = timeout
        self._decoder = Decoder()
        self._ready: list[bytes] = []
        self._ids = itertools.count(1)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(self.place)
            self._hello()
        except BaseException as error:
            self._socket.close()
            if isinstance(error, OSError):
                raise self._not_reached(error) from error
            raise

    def close(self) -> None:
        """End the session; the server closes it when it reads the end of the stream."""
        self._socket.close()

    def is_alive(self) -> bool:
        """Tell whether the server has closed the connection meanwhile."""
        if self._socket.fileno() < 0:
            return False
        self._socket.setblocking(False)
        try:
            return self._socket.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def ask(self, operation: etree._Element) -> etree._Element:
        """Send an rpc and wait for its reply.

        After an interrupt or a broken connection the session is closed: what comes next on it would
        answer something else.
        """
        rpc = etree.Element(nc("rpc"), {"message-id": str(next(self._ids))}, {"nc": NETCONF})
        rpc.append(operation)
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(encode(etree.tostring(rpc), Framing.CHUNKED))
            return checked(parse(self._receive()))
        except OSError as error:
            self.close()
            raise self._not_reached(error) from error
        except KeyboardInterrupt:
            self.close()
            raise

    def _hello(self) -> None:
        self._socket.sendall(encode(_HELLO, Framing.END_OF_MESSAGE))
        hello = parse(self._receive())
        self.capabilities = frozenset((c.text or "").strip() for c in hello.iter(nc("capability")))
        self.identity = hello.findtext(nc("session-id")) or ""
        if _BASE_1_1 not in self.capabilities:
            raise NotReachedError(f"{self.place}: the server does not speak NETCONF 1.1")
        self._ready += self._decoder.resume(Framing.CHUNKED)

    def _receive(self) -> bytes:
        """Wait for one message, however many reads it takes, no longer than the timeout."""
        deadline = time.monotonic() + self._timeout
        while not self._ready:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            data = self._socket.recv(_READ)
            if not data:
                raise ConnectionResetError("the daemon closed the connection")
            self._ready += self._decoder.feed(data)
            if not self._ready and self._decoder.failure is not None:
                raise NotReachedError(f"{self.place}: {self._decoder.failure}")
        return self._ready.pop(0)

    def _not_reached(self, error: OSError) -> NotReachedError:
        reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror
        return NotReachedError(f"flowexportd is not reached at {self.place}: {reason or error}")
