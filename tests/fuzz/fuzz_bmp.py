"""Messages of BMP from a router: each is understood, is an error in itself, or ends the stream."""

from __future__ import annotations

from collections.abc import Iterable

from tests.support.bgp import FOLDER

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire import bgp, bmp


def seeds() -> Iterable[bytes]:
    """Give what routers sent over BMP."""
    for capture in sorted(FOLDER.glob("*-bmp.bin")):
        yield capture.read_bytes()


def run(data: bytes) -> None:
    """Decode a stream as far as it goes."""
    end = 0
    try:
        for frame in bmp.split(data):
            assert end < frame.end <= len(data)
            end = frame.end
            if isinstance(frame.message, bmp.RouteMonitoring):
                bgp.UpdateDecoder(four_octets=not frame.message.peer.legacy).decode(
                    frame.message.update
                )
    except DecodeError:
        pass
