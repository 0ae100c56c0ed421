"""XML of strangers, up to the request that it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from flowexport_mgmt.errors import DecodeError, ManagementError
from flowexport_mgmt.north.netconf import documents
from flowexport_mgmt.north.netconf.hello import read_hello, render_hello
from flowexport_mgmt.north.netconf.rpc import Rpc, is_rpc

STORIES = Path(__file__).resolve().parents[1] / "stories"


def seeds() -> Iterator[bytes]:
    """Give a hello and what clients say in the stories."""
    yield render_hello(["urn:ietf:params:netconf:base:1.1"])
    for path in sorted(STORIES.glob("*/*-sends.xml")):
        yield path.read_bytes()


def run(data: bytes) -> None:
    """Read a message as a hello and as a request; its reply has to be XML again."""
    with contextlib.suppress(DecodeError):
        read_hello(data)
    with contextlib.suppress(ManagementError):
        message = documents.parse(data)
        if is_rpc(message):
            etree.fromstring(Rpc.read(message).envelope.wrap(b"<ok/>"))
