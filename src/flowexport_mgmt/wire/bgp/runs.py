"""UPDATEs that follow each other in a stream, to be decoded together (RFC 4271, section 4.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from flowexport_mgmt.wire.bgp.messages import (
    HEADER_SIZE,
    LEAST,
    MARKER,
    MOST_OCTETS,
    Frame,
    MessageType,
    split,
)

FEW: Final = 8
"""UPDATEs that are decoded one by one in less time than together."""


class Run(NamedTuple):
    """UPDATEs of a buffer: where the body of each begins and ends."""

    begins: list[int]
    ends: list[int]


def split_runs(data: bytes | bytearray) -> Iterator[Frame | Run]:
    """Yield the whole messages that a buffer begins with: many UPDATEs in a row as one run.

    Raises:
        BgpError: a header that ends the session (RFC 4271, section 6.1).
    """
    at = 0
    while True:
        run = _find_run(data, at)
        if len(run.begins) >= FEW:
            at = run.ends[-1]
            yield run
            continue
        frame = next(split(data, begin=at), None)
        if frame is None:
            return
        at = frame.end
        yield frame


def _find_run(data: bytes | bytearray, at: int) -> Run:
    begins: list[int] = []
    ends: list[int] = []
    size, least = len(data), LEAST[MessageType.UPDATE]
    while size - at >= least:
        length = data[at + 16] << 8 | data[at + 17]
        is_whole = least <= length <= MOST_OCTETS and at + length <= size
        if not is_whole or data[at + 18] != MessageType.UPDATE or not data.startswith(MARKER, at):
            break
        begins.append(at + HEADER_SIZE)
        at += length
        ends.append(at)
    return Run(begins, ends)
