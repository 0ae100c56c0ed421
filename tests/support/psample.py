"""Messages of psample: real ones, and such as tests make up."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from flowexport_mgmt.wire.psample import Parsed, Parser

FAMILY = 32
RECORDED = Path(__file__).parents[1] / "vectors" / "psample" / "linux-6.1.jsonl"

IIFINDEX, OIFINDEX, ORIGSIZE, GROUP, SEQUENCE, RATE, DATA = range(7)
TUNNEL, QUEUE, DEPTH, LATENCY, TIMESTAMP, PROTOCOL = 8, 10, 11, 12, 13, 14


def recorded() -> list[bytes]:
    """Give what a kernel sent, datagram by datagram."""
    return [bytes.fromhex(json.loads(line)["hex"]) for line in RECORDED.read_text().splitlines()]


def attribute(kind: int, form: str, *values: int | bytes) -> bytes:
    """Lay out an attribute as the kernel does."""
    value = struct.pack(f"={form}", *values)
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(attributes: Iterable[bytes], *, family: int = FAMILY, command: int = 0) -> bytes:
    body = struct.pack("=BBH", command, 1, 0) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), family, 0, 0, 0) + body


def sample(
    sequence: int,
    *,
    iif: int = 2,
    oif: int = 0,
    group: int = 1,
    rate: int = 10,
    size: int = 100,
    data: bytes = b"\x02" * 60,
    protocol: int = 0x0800,
    more: Sequence[bytes] = (),
) -> bytes:
    """Make a sample as Linux 6.1 does; ``more`` stands before the time."""
    ports = [(IIFINDEX, iif), (OIFINDEX, oif)]
    return message(
        [
            *(attribute(kind, "H", port & 0xFFFF) for kind, port in ports if port),
            attribute(RATE, "I", rate),
            attribute(ORIGSIZE, "I", size),
            attribute(GROUP, "I", group),
            attribute(SEQUENCE, "I", sequence),
            *more,
            attribute(TIMESTAMP, "Q", 1_700_000_000_000_000_000 + sequence),
            attribute(PROTOCOL, "H", protocol),
            attribute(DATA, f"{len(data)}s", data),
        ]
    )


def group_change(group: int, *, is_new: bool) -> bytes:
    return message(
        [attribute(GROUP, "I", group), attribute(7, "I", 0), attribute(SEQUENCE, "I", 0)],
        command=2 if is_new else 3,
    )


def parse(messages: Sequence[bytes], parser: Parser | None = None, gap: int = 0) -> Parsed:
    """Parse messages that stand in one buffer, ``gap`` octets apart."""
    buffer = np.frombuffer(b"".join(each + b"\xee" * gap for each in messages), np.uint8)
    lengths = np.array([len(each) for each in messages], np.int64)
    offsets = np.cumsum(lengths + gap) - lengths - gap
    return (parser or Parser(FAMILY)).parse(buffer, offsets, lengths)
