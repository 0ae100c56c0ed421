"""Sampling: messages of the kernel to sFlow datagrams, against one message at a time with struct.

Both sides read every attribute, keep the accounts of two interfaces, and write the same datagrams.
Ours takes messages as recvmmsg leaves them, many in one buffer, or one by one as recv gives them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Final

import numpy as np

from bench.measure import Result, compare
from flowexport_mgmt.records import Datagrams
from flowexport_mgmt.sources.psample.ledger import Ledger, Place
from flowexport_mgmt.wire import sflow5
from flowexport_mgmt.wire.psample import Parser

SIZES: Final = (5_000, 15_000, 50_000)
TARGET_BATCHES: Final = 1 / 5
TARGET_SINGLE: Final = 1 / 2

_FAMILY: Final = 32
_BATCH: Final = 2048  # as the reader takes them
_SLOT: Final = 27 * 64
_MAX_SIZE: Final = 1400
_AGENT: Final = IPv4Address("192.0.2.1")
_UPTIME_MS: Final = 5_000_000_000
_PORTS: Final = (2, 3)

_NLMSG = struct.Struct("=IHHIIBBH")
_ATTRIBUTE = struct.Struct("=HH")
_SAMPLE = struct.Struct(">19I")
_DATAGRAM = struct.Struct(">II4sIIII")


def run(*, quick: bool) -> list[Result]:
    """Measure both ways to take messages at each size."""
    sizes = SIZES[-1:] if quick else SIZES
    return [
        _measure(name, size, make, target)
        for name, make, target in (
            ("psample to sFlow, batches", _from_slots, TARGET_BATCHES),
            ("psample to sFlow, single", _from_messages, TARGET_SINGLE),
        )
        for size in sizes
    ]


Make = Callable[[Sequence[bytes]], Callable[[], list[Datagrams]]]


def _measure(name: str, size: int, make: Make, target: float) -> Result:
    messages = _make_messages(size)
    ours = make(messages)

    def theirs() -> list[bytes]:
        return _Reference().take(messages)

    if [bytes(datagram) for made in ours() for datagram in made] != theirs():
        raise AssertionError(f"{name}: the datagrams differ from the reference's")
    return Result(name, size, "struct", *compare(ours, theirs), target=target)


def _make_messages(count: int) -> list[bytes]:
    """Make samples of 60 to 128 octets of two interfaces, now and then with one lost before."""
    random = np.random.default_rng(1)
    lengths = random.integers(60, 129, count).tolist()
    ports = random.choice(_PORTS, count).tolist()
    sequences = np.cumsum(random.random(count) < 0.01) + np.arange(count)
    octets = random.integers(0, 256, 256).astype(np.uint8).tobytes()
    return [
        _message(port, int(sequence), octets[:length])
        for port, sequence, length in zip(ports, sequences, lengths, strict=True)
    ]


def _message(port: int, sequence: int, data: bytes) -> bytes:
    """Lay a sample out as Linux 6.1 does."""
    attributes = (
        (0, struct.pack("=H", port)),
        (5, struct.pack("=I", 100)),
        (2, struct.pack("=I", 1500)),
        (3, struct.pack("=I", 1)),
        (4, struct.pack("=I", sequence)),
        (13, struct.pack("=Q", 1_700_000_000_000_000_000 + sequence)),
        (14, struct.pack("=H", 0x0800)),
        (6, data),
    )
    body = b"".join(
        _ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)
        for kind, value in attributes
    )
    return _NLMSG.pack(_NLMSG.size + len(body), _FAMILY, 0, 0, 0, 0, 1, 0) + body


class _Ours:
    """The way of a batch from the parser to datagrams."""

    def __init__(self) -> None:
        self._parser = Parser(_FAMILY)
        self._ledger = Ledger()
        self._ledger.replace(Place(f"p{n}", n, 1, ingress=True, egress=False) for n in _PORTS)
        self._sequences = sflow5.SampleSequences()
        self._sequence = 1
        self.datagrams: list[Datagrams] = []

    def take(
        self,
        buffer: np.ndarray,
        offsets: np.ndarray,
        lengths: np.ndarray,
    ) -> None:
        batch = self._ledger.enter(self._parser.parse(buffer, offsets, lengths))
        assert batch is not None
        made = sflow5.encode_flow_samples(
            batch,
            self._sequences.assign(batch),
            agent=_AGENT,
            sub_agent_id=0,
            sequence=self._sequence,
            uptime_ms=_UPTIME_MS,
            max_size=_MAX_SIZE,
        )
        self._sequence += len(made)
        self.datagrams.append(made)


def _from_slots(messages: Sequence[bytes]) -> Callable[[], list[Datagrams]]:
    """Take messages from slots that were filled beforehand, as recvmmsg fills them."""
    filled = []
    for part in _parts(messages):
        slots = np.zeros((len(part), _SLOT), np.uint8)
        for slot, message in zip(slots, part, strict=True):
            slot[: len(message)] = np.frombuffer(message, np.uint8)
        lengths = np.array([len(message) for message in part], np.int64)
        filled.append((slots.reshape(-1), np.arange(len(part)) * _SLOT, lengths))

    def take() -> list[Datagrams]:
        ours = _Ours()
        for buffer, offsets, lengths in filled:
            ours.take(buffer, offsets, lengths)
        return ours.datagrams

    return take


def _from_messages(messages: Sequence[bytes]) -> Callable[[], list[Datagrams]]:
    """Take messages that were received one by one: gather them first."""

    def take() -> list[Datagrams]:
        ours = _Ours()
        for part in _parts(messages):
            lengths = np.array([len(message) for message in part], np.int64)
            buffer = np.frombuffer(b"".join(part), np.uint8)
            ours.take(buffer, np.cumsum(lengths) - lengths, lengths)
        return ours.datagrams

    return take


def _parts(messages: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for begin in range(0, len(messages), _BATCH):
        yield messages[begin : begin + _BATCH]


@dataclass
class _Account:
    sequence: int = 0
    pool: int = 0
    drops: int = 0


@dataclass
class _Reference:
    """One message after the other, every number by itself."""

    accounts: dict[int, _Account] = field(
        default_factory=lambda: {port: _Account() for port in _PORTS}
    )
    expected: int | None = None
    sequence: int = 0
    page: list[bytes] = field(default_factory=list)
    used: int = 0
    datagrams: list[bytes] = field(default_factory=list)

    def take(self, messages: Sequence[bytes]) -> list[bytes]:
        room = (_MAX_SIZE & ~3) - _DATAGRAM.size
        for part in _parts(messages):
            for message in part:
                sample = self.convert(message)
                if self.used + len(sample) > room:
                    self.flush()
                self.page.append(sample)
                self.used += len(sample)
            self.flush()
        return self.datagrams

    def flush(self) -> None:
        self.sequence += 1
        numbers = (0, self.sequence, _UPTIME_MS & 0xFFFFFFFF, len(self.page))
        header = _DATAGRAM.pack(5, 1, _AGENT.packed, *numbers)
        self.datagrams.append(header + b"".join(self.page))
        self.page, self.used = [], 0

    def convert(self, message: bytes) -> bytes:
        found = _read(message)
        port = int.from_bytes(found[0], "little")
        rate, size, sequence = (int.from_bytes(found[kind], "little") for kind in (5, 2, 4))
        lost = 0 if self.expected is None else sequence - self.expected
        self.expected = sequence + 1
        account = self.accounts[port]
        account.sequence += 1
        account.drops += lost
        account.pool += rate * (1 + lost)
        data = found[6]
        padding = -len(data) % 4
        length = len(data) + padding
        head = _SAMPLE.pack(
            *(3, _SAMPLE.size - 8 + length, account.sequence, 0, port, rate),
            *(account.pool & 0xFFFFFFFF, account.drops & 0xFFFFFFFF, 0, port, 0, 0),
            *(1, 1, length + 16, 1, size + 4, 4, len(data)),
        )
        return head + data + bytes(padding)


def _read(message: bytes) -> dict[int, bytes]:
    length, family, _, _, _, command, _, _ = _NLMSG.unpack_from(message)
    assert (family, command) == (_FAMILY, 0)
    found = {}
    at = _NLMSG.size
    while at < length:
        size, kind = _ATTRIBUTE.unpack_from(message, at)
        found[kind] = message[at + 4 : at + size]
        at += (size + 3) & ~3
    return found
