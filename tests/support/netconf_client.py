"""A NETCONF client that says exactly what a test wants said, also what no client should say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Self

from lxml import etree

from flowexport_mgmt.wire.netconf import Decoder, Framing, encode

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
FE = "urn:flowexport:flow-export"
FXS = "urn:flowexport:flow-export-server"
NAMESPACES = {
    "nc": BASE,
    "fe": FE,
    "fxs": FXS,
    "ncm": "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring",
    "ncds": "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda",
    "ds": "urn:ietf:params:xml:ns:yang:ietf-datastores",
    "or": "urn:ietf:params:xml:ns:yang:ietf-origin",
    "ncwd": "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults",
    "ncn": "urn:ietf:params:xml:ns:yang:ietf-netconf-notifications",
    "nms": "urn:ietf:params:xml:ns:netmod:notification",
    "sn": "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications",
    "yp": "urn:ietf:params:xml:ns:yang:ietf-yang-push",
    "yl": "urn:ietf:params:xml:ns:yang:ietf-yang-library",
}
_NOTIFICATION = "{urn:ietf:params:xml:ns:netconf:notification:1.0}notification"
_PATIENCE = 30.0


def hello(*versions: str) -> bytes:
    """Write a client's hello for these base versions."""
    listed = "".join(
        f"<capability>urn:ietf:params:netconf:base:{version}</capability>" for version in versions
    )
    return f'<hello xmlns="{BASE}"><capabilities>{listed}</capabilities></hello>'.encode()


def rpc(operation: str, message_id: int | str = 1) -> bytes:
    """Put an operation into an rpc whose default namespace is the base one."""
    return f'<rpc xmlns="{BASE}" message-id="{message_id}">{operation}</rpc>'.encode()


class RawClient:
    """One session over a stream, by default with base:1.1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.framing = Framing.END_OF_MESSAGE
        self.server_hello: etree._Element
        self._decoder = Decoder()
        self._waiting: list[bytes] = []
        self._notified: list[etree._Element] = []
        self.judge: Callable[[bytes], None] = lambda _: None
        """What looks at every notification that is read."""
        self._next_id = 0

    @classmethod
    async def connect(cls, path: Path) -> Self:
        """Connect to a Unix socket and say nothing yet."""
        return cls(*await asyncio.open_unix_connection(path))

    async def exchange_hellos(self, version: str = "1.1", ahead: bytes = b"") -> None:
        """Read the server's hello and send ours, with octets right behind it."""
        self.server_hello = etree.fromstring(await self.receive())
        self.writer.write(encode(hello("1.0", version), Framing.END_OF_MESSAGE) + ahead)
        self.framing = Framing.CHUNKED if version == "1.1" else Framing.END_OF_MESSAGE
        self._waiting += self._decoder.resume(self.framing)

    @property
    def session_id(self) -> int:
        """The session-id of the server's hello."""
        return int(self.server_hello.findtext("nc:session-id", namespaces=NAMESPACES) or 0)

    def send(self, message: bytes) -> None:
        """Send one message, framed."""
        self.writer.write(encode(message, self.framing))

    async def receive(self) -> bytes:
        """Wait for the next message.

        Raises:
            EOFError: the server closed the connection.
        """
        async with asyncio.timeout(_PATIENCE):
            while not self._waiting:
                data = await self.reader.read(1 << 16)
                if not data:
                    raise EOFError
                self._waiting += self._decoder.feed(data)
        return self._waiting.pop(0)

    async def call(self, operation: str) -> etree._Element:
        """Send an operation and wait for its reply."""
        self._next_id += 1
        self.send(rpc(operation, self._next_id))
        reply = etree.fromstring(await self.receive())
        while reply.tag == _NOTIFICATION:
            self._notified.append(reply)
            reply = etree.fromstring(await self.receive())
        assert reply.tag == f"{{{BASE}}}rpc-reply"
        assert reply.get("message-id") == str(self._next_id)
        return reply

    async def event(self) -> etree._Element:
        """Wait for the next notification and give the event in it, after its eventTime."""
        if self._notified:
            notification = self._notified.pop(0)
        else:
            notification = etree.fromstring(await self.receive())
        assert notification.tag == _NOTIFICATION, etree.tostring(notification)
        self.judge(etree.tostring(notification))
        time, event = notification
        assert etree.QName(time).localname == "eventTime"
        assert datetime.fromisoformat(time.text or "").tzinfo is not None
        return event

    async def ok(self, operation: str) -> None:
        """Send an operation that must be answered with ok."""
        reply = await self.call(operation)
        assert [child.tag for child in reply] == [f"{{{BASE}}}ok"], etree.tostring(reply)

    async def data(self, operation: str) -> etree._Element:
        """Send an operation that must be answered with data."""
        reply = await self.call(operation)
        assert len(reply) == 1, etree.tostring(reply)
        assert etree.QName(reply[0]).localname == "data", etree.tostring(reply)
        return reply[0]

    async def errors(self, operation: str) -> list[dict[str, str]]:
        """Send an operation that must be refused; give each rpc-error as a flat dict."""
        return read_errors(await self.call(operation))

    async def closed(self) -> bool:
        """Wait for the server to close; False when it says something instead."""
        try:
            await self.receive()
        except (EOFError, ConnectionError):
            return True
        return False

    async def close(self) -> None:
        """Close the connection from our side."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return


def read_errors(reply: etree._Element) -> list[dict[str, str]]:
    """Flatten the errors of a reply; what stands in error-info is named as it is there."""
    found = []
    for error in reply:
        assert error.tag == f"{{{BASE}}}rpc-error", etree.tostring(reply)
        flat: dict[str, str] = {}
        for leaf in error:
            if len(leaf):
                flat |= {etree.QName(item).localname: item.text or "" for item in leaf}
            else:
                flat[etree.QName(leaf).localname.removeprefix("error-")] = leaf.text or ""
        assert flat.pop("severity") == "error"
        found.append(flat)
    assert found, etree.tostring(reply)
    return found
