"""Routes that a router tells of one after the other, to be decoded together (RFC 7854, 4.6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from flowexport_mgmt.wire import bgp
from flowexport_mgmt.wire.bmp.decode import Frame, Peer, View, decode_peer, split

_BEGIN: Final = b"\x03"
_ROUTE_MONITORING: Final = 0
_PEER_AT: Final = 6
_TIME_AT: Final = 40
_UPDATE_AT: Final = 48
_BODY_AT: Final = _UPDATE_AT + 19
_LEAST: Final = _BODY_AT + 4


class Run(NamedTuple):
    """UPDATEs of one table of one peer, in their order."""

    peer: Peer
    updates: bgp.Run


class Runs(NamedTuple):
    """The routes of so many messages, by table, and where the last message ends."""

    runs: list[Run]
    messages: int
    end: int


def split_runs(data: bytes | bytearray) -> Iterator[Frame | Runs]:
    """Yield the whole messages that a buffer begins with, many that tell routes together.

    Raises:
        DecodeError: where the next message begins cannot be told; the connection is of no use.
    """
    at = 0
    while True:
        runs = _find_runs(data, at)
        if runs.messages >= bgp.FEW:
            at = runs.end
            yield runs
            continue
        frame = next(split(data, begin=at), None)
        if frame is None:
            return
        at = frame.end
        yield frame


def _find_runs(data: bytes | bytearray, at: int) -> Runs:
    """Put messages together by table; end where the header of one and the same changes."""
    runs: dict[tuple[View, object], Run] = {}
    known: dict[bytes, bgp.Run] = {}
    count, size = 0, len(data)
    while size - at >= _LEAST and data.startswith(_BEGIN, at):
        length = int.from_bytes(data[at + 1 : at + 5])
        update = data[at + _UPDATE_AT + 16] << 8 | data[at + _UPDATE_AT + 17]
        is_one = length == _UPDATE_AT + update and length >= _LEAST and at + length <= size
        is_update = data[at + 5] == _ROUTE_MONITORING and data[at + _UPDATE_AT + 18] == 2
        if not (is_one and is_update and data.startswith(bgp.MARKER, at + _UPDATE_AT)):
            break
        header = bytes(data[at + _PEER_AT : at + _TIME_AT])
        run = known.get(header)
        if run is None:
            peer = decode_peer(bytes(data[at + _PEER_AT : at + _UPDATE_AT]))
            if (peer.view, peer.key) in runs:
                break
            run = known[header] = bgp.Run([], [])
            runs[peer.view, peer.key] = Run(peer, run)
        run.begins.append(at + _BODY_AT)
        at += length
        run.ends.append(at)
        count += 1
    return Runs(list(runs.values()), count, at)
