"""A NETCONF client on the daemon's Unix socket: hello, one request at a time, close.

It does what the command line needs and no more: base:1.1 framing, replies in order, every wait
bounded by a deadline.
"""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from lxml import etree

from flowexport_mgmt.cli.values import local_name
from flowexport_mgmt.errors import (
    ErrorTag,
    ErrorType,
    Fault,
    FlowExportError,
    ManagementError,
)
from flowexport_mgmt.wire.netconf import Decoder, Framing, encode

NETCONF: Final = "urn:ietf:params:xml:ns:netconf:base:1.0"
_BASE_1_1: Final = "urn:ietf:params:netconf:base:1.1"
_HELLO: Final = (
    f'<hello xmlns="{NETCONF}"><capabilities><capability>{_BASE_1_1}</capability>'
    "</capabilities></hello>"
).encode()
_READ: Final = 1 << 18


class NotReachedError(FlowExportError):
    """No daemon answers at the socket."""


def default_socket() -> Path:
    """Find the daemon's socket: the system's, else the one of this user's own daemon."""
    system = Path("/run/flowexport/netconf.sock")
    home = os.environ.get("XDG_STATE_HOME", "")
    parent = Path(home) if home.startswith("/") else Path.home() / ".local" / "state"
    own = parent / "flowexport" / "run" / "netconf.sock"
    return own if own.exists() and not system.exists() else system


class Client:
    """One NETCONF session; use it in ``with``."""

    def __init__(self, path: Path, *, timeout: float = 30.0) -> None:
        self._path = path
        self._timeout = timeout
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._decoder = Decoder()
        self._ready: list[bytes] = []
        self._ids = itertools.count(1)

    def __enter__(self) -> Self:
        """Connect and exchange hellos.

        Raises:
            NotReachedError: nobody listens, or what listens is no NETCONF 1.1 server.
        """
        try:
            self._socket.settimeout(self._timeout)
            self._socket.connect(str(self._path))
            self._hello()
        except BaseException as error:
            self._socket.close()
            if isinstance(error, OSError):
                raise self._not_reached(error) from error
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the session; the server closes it when it reads the end of the stream."""
        self._socket.close()

    def get(self, namespace: str, path: Sequence[str]) -> etree._Element:
        """Read configuration and state below a path of element names; return the data element.

        Raises:
            ManagementError: the server refused.
            NotReachedError: the connection broke, or no answer came in time.
        """
        rpc = self._rpc()
        get = etree.SubElement(rpc, _nc("get"))
        parent = etree.SubElement(get, _nc("filter"), type="subtree")
        for name in path:
            parent = etree.SubElement(parent, f"{{{namespace}}}{name}")
        return self._data(rpc)

    def get_config(self, datastore: str) -> etree._Element:
        """Read a datastore; return the data element. Raises as :meth:`get`."""
        rpc = self._rpc()
        source = etree.SubElement(etree.SubElement(rpc, _nc("get-config")), _nc("source"))
        etree.SubElement(source, _nc(datastore))
        return self._data(rpc)

    def call(self, namespace: str, name: str, parameters: Mapping[str, str]) -> etree._Element:
        """Have an operation of a module carried out; return the reply. Raises as :meth:`get`."""
        rpc = self._rpc()
        operation = etree.SubElement(rpc, f"{{{namespace}}}{name}")
        for leaf, value in parameters.items():
            etree.SubElement(operation, f"{{{namespace}}}{leaf}").text = value
        return self._ask(rpc)

    def _rpc(self) -> etree._Element:
        message_id = {"message-id": str(next(self._ids))}
        return etree.Element(_nc("rpc"), message_id, {"nc": NETCONF})

    def _data(self, rpc: etree._Element) -> etree._Element:
        data = self._ask(rpc).find(_nc("data"))
        if data is None:
            raise NotReachedError(f"{self._path}: the reply holds no data")
        return data

    def _ask(self, rpc: etree._Element) -> etree._Element:
        try:
            self._socket.sendall(encode(etree.tostring(rpc), Framing.CHUNKED))
            reply = _parse(self._receive())
        except OSError as error:
            raise self._not_reached(error) from error
        faults = [_fault(found) for found in reply.iterchildren(_nc("rpc-error"))]
        if faults:
            raise ManagementError(faults)
        return reply

    def _hello(self) -> None:
        self._socket.sendall(encode(_HELLO, Framing.END_OF_MESSAGE))
        hello = _parse(self._receive())
        offered = {found.text for found in hello.iter(_nc("capability"))}
        if _BASE_1_1 not in offered:
            raise NotReachedError(f"{self._path}: the server does not speak NETCONF 1.1")
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
                raise NotReachedError(f"{self._path}: {self._decoder.failure}")
        return self._ready.pop(0)

    def _not_reached(self, error: OSError) -> NotReachedError:
        reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror
        return NotReachedError(f"flowexportd is not reached at {self._path}: {reason or error}")


def _nc(name: str) -> str:
    return f"{{{NETCONF}}}{name}"


def _parse(message: bytes) -> etree._Element:
    try:
        return etree.fromstring(message, etree.XMLParser(resolve_entities=False, huge_tree=True))
    except etree.XMLSyntaxError as error:
        raise NotReachedError(f"the daemon sent no XML: {error}") from error


def _fault(element: etree._Element) -> Fault:
    """Read an rpc-error (RFC 6241, section 4.3)."""
    text = {local_name(child): (child.text or "").strip() for child in element}
    return Fault(
        tag=ErrorTag(text.get("error-tag", ErrorTag.OPERATION_FAILED)),
        message=text.get("error-message", text.get("error-tag", "")),
        type=ErrorType(text.get("error-type", ErrorType.APPLICATION)),
        app_tag=text.get("error-app-tag", ""),
        path=text.get("error-path", ""),
    )
