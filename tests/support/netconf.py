"""A plain NETCONF client for tests, over the daemon's Unix socket: XML in, XML out."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path
from typing import Self

from lxml import etree

from flowexport_mgmt.wire.netconf import Decoder, Framing, encode

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
FE = "urn:flowexport:flow-export"
FXS = "urn:flowexport:flow-export-server"
_HELLO = (
    f'<hello xmlns="{BASE}"><capabilities><capability>urn:ietf:params:netconf:base:1.1'
    "</capability></capabilities></hello>"
).encode()


class RpcError(Exception):
    """An rpc-error: its elements by name."""

    def __init__(self, element: etree._Element) -> None:
        self.fields = {
            etree.QName(child).localname: (child.text or "").strip() for child in element
        }
        super().__init__(str(self.fields))


class Netconf:
    """One session."""

    def __init__(self, path: Path, seconds: float = 20.0) -> None:
        self._decoder = Decoder()
        self._ready: list[bytes] = []
        self._ids = itertools.count(1)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(seconds)
            self._socket.connect(str(path))
            self._socket.sendall(encode(_HELLO, Framing.END_OF_MESSAGE))
            self.hello = self._receive()
            self._ready += self._decoder.resume(Framing.CHUNKED)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def rpc(self, operation: str) -> etree._Element:
        """Send one operation and return its rpc-reply; RpcError is the first rpc-error in it."""
        message = f'<rpc xmlns="{BASE}" message-id="{next(self._ids)}">{operation}</rpc>'
        self._socket.sendall(encode(message.encode(), Framing.CHUNKED))
        reply = self._receive()
        error = reply.find(f"{{{BASE}}}rpc-error")
        if error is not None:
            raise RpcError(error)
        return reply

    def edit(self, config: str, target: str = "candidate", operation: str = "merge") -> None:
        self.rpc(
            f"<edit-config><target><{target}/></target><default-operation>{operation}"
            f"</default-operation><config>{config}</config></edit-config>"
        )

    def commit(self) -> None:
        self.rpc("<commit/>")

    def get_config(self, datastore: str = "running") -> etree._Element:
        return self.rpc(f"<get-config><source><{datastore}/></source></get-config>")

    def get(self, filter_: str) -> etree._Element:
        return self.rpc(f'<get><filter type="subtree">{filter_}</filter></get>')

    def _receive(self) -> etree._Element:
        while not self._ready:
            data = self._socket.recv(1 << 18)
            if not data:
                raise ConnectionResetError("the daemon closed the session")
            self._ready += self._decoder.feed(data)
        return etree.fromstring(self._ready.pop(0))
