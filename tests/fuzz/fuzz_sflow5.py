"""The decoder of one protocol, with state over several datagrams."""

from __future__ import annotations

from collections.abc import Iterable

from tests.fuzz import streams

from flowexport_mgmt.wire import sflow5


def seeds() -> Iterable[bytes]:
    """Give the vectors of the protocol."""
    return streams.seeds("sflow5")


def run(data: bytes) -> None:
    """Decode a stream."""
    decoder = sflow5.Decoder()
    for datagram in streams.split(data):
        streams.check(decoder.receive(datagram, streams.SOURCE, streams.NOW_NS), len(datagram))
