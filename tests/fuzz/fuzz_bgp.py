"""Messages of BGP from a peer: a session may end by errors of the protocol, and by no other."""

from __future__ import annotations

from collections.abc import Iterable

from tests.support.bgp import FOLDER, iterate

from flowexport_mgmt.wire import bgp


def seeds() -> Iterable[bytes]:
    """Give what routers sent over iBGP."""
    for capture in sorted(FOLDER.glob("*-ibgp.bin")):
        yield capture.read_bytes()


def run(data: bytes) -> None:
    """Decode a stream as far as it goes."""
    decoder = bgp.UpdateDecoder(add_path=frozenset((4, 6)))
    try:
        for frame in bgp.split(data):
            _take(decoder, frame.kind, frame.body)
    except bgp.BgpError as error:
        if not (1 <= error.error <= 7 and 0 <= error.suberror <= 11):
            raise AssertionError("there is no such code") from error


def _take(decoder: bgp.UpdateDecoder, kind: bgp.MessageType, body: bytes) -> None:
    if kind is bgp.MessageType.OPEN:
        told = bgp.decode_open(body)
        (again,) = bgp.split(bgp.encode_open(told))
        families = told.families or {4}  # of an OPEN that names none: IPv4 (RFC 4760, section 8)
        assert bgp.decode_open(again.body).families == families
    elif kind is bgp.MessageType.UPDATE:
        update = decoder.decode(body)
        count = 0
        for routes in iterate(update):
            width = 32 if routes.version == 4 else 128
            count += len(routes.lengths)
            for address, length in zip(routes.addresses, routes.lengths, strict=True):
                assert 0 <= length <= width
                assert address >> width == 0
                assert address & (1 << width - length) - 1 == 0
        assert count <= len(body)
    elif kind is bgp.MessageType.NOTIFICATION:
        bgp.decode_notification(body)
    elif kind is bgp.MessageType.ROUTE_REFRESH:
        bgp.decode_route_refresh(body)
