"""A flood of samples over a real netlink socket that has no room for all of them.

A kernel without psample has no messages of its own to lose, but its netlink loses those of a user
program in the same way: NETLINK_USERSOCK carries them to a multicast group, whose listener has a
buffer that overflows, says so by ENOBUFS, and counts by itself what it had no room for.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.support.conditions import wait_until
from tests.support.psample import FAMILY, sample

from flowexport_mgmt.records import SampleBatch
from flowexport_mgmt.sources.genetlink import Family
from flowexport_mgmt.sources.psample.ledger import Ledger, Place
from flowexport_mgmt.sources.psample.reader import Reader, ReaderCounters

GROUPS: Final = (1, 2)
"""Groups of samples; the interface of each has the same number."""

RATE: Final = 100
_FIRST: Final = (1 << 32) - 1000
"""The number of each group's first sample: they pass zero soon."""

_USERSOCK: Final = 2
_MULTICAST: Final = 1
_ROOM: Final = 64 << 10  # octets that may wait: a hundred messages or two
_SO_MEMINFO, _WORDS, _DROPS = 55, 9, 8
_PATIENCE_S: Final = 30.0


@dataclass(frozen=True)
class Outcome:
    """What became of a flood, by group: sent, received, and lost as their numbers tell.

    ``kernel`` is how many messages the socket had no room for, as the kernel counted them.
    """

    sent: tuple[int, ...]
    received: tuple[int, ...]
    drops: tuple[int, ...]
    pools: tuple[int, ...]
    kernel: int
    overruns: int

    @property
    def is_exact(self) -> bool:
        """Tell whether every sample that was sent is accounted for."""
        return (
            tuple(map(sum, zip(self.received, self.drops, strict=True))) == self.sent
            and self.pools == tuple(RATE * sent for sent in self.sent)
            and sum(self.drops) == self.kernel
        )


def make_messages(count: int) -> list[bytes]:
    """Make so many samples of the groups by turns, each group numbered by itself."""
    turns, data = len(GROUPS), bytes(range(128))
    numbers = [_FIRST + at // turns & 0xFFFFFFFF for at in range(count)]
    return [
        sample(number, iif=GROUPS[at % turns], group=GROUPS[at % turns], rate=RATE, data=data)
        for at, number in enumerate(numbers)
    ]


class Flood:
    """A reader of samples, as flowexportd has it, and somebody who sends to it."""

    def __init__(self) -> None:
        self.samples = 0
        self._counters = ReaderCounters()
        self._ledger = Ledger()
        self._ledger.replace(Place(f"p{n}", n, n, ingress=True, egress=False) for n in GROUPS)
        self._receiver = _open_receiver()
        self._reader = Reader(
            Family(FAMILY, {}), self._ledger, self._take, self._counters, lambda _: self._receiver
        )
        self._sender = open_sender()
        self._reader.start()

    def close(self) -> None:
        """End the reader."""
        self._reader.stop(timeout=5)
        self._sender.close()

    def run(self, messages: Sequence[bytes]) -> Outcome:
        """Send as fast as can be; what comes first and last of each group is seen to arrive.

        A number that is missing shows in the sample that follows it.
        """
        edge = len(GROUPS)
        send(self._sender, messages[:edge])
        wait_until(lambda: self.samples == edge, _PATIENCE_S)
        send(self._sender, messages[edge:-edge])
        lost = self._kernel_drops()
        wait_until(self._is_empty, _PATIENCE_S)
        send(self._sender, messages[-edge:])
        accounts = self._ledger.accounts
        wait_until(lambda: self.samples + lost == len(messages), _PATIENCE_S)
        return Outcome(
            sent=tuple(len(messages[at::edge]) for at in range(edge)),
            received=tuple(account.samples for account in accounts),
            drops=tuple(account.drops for account in accounts),
            pools=tuple(account.pool for account in accounts),
            kernel=self._kernel_drops(),
            overruns=self._counters.overruns,
        )

    def _take(self, batch: SampleBatch) -> None:
        self.samples += len(batch)

    def _is_empty(self) -> bool:
        return _memory(self._receiver)[0] == 0

    def _kernel_drops(self) -> int:
        return _memory(self._receiver)[_DROPS]


def open_sender() -> socket.socket:
    """Open a socket to send by; whoever listens to the group receives what it sends."""
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _USERSOCK)


def send(sender: socket.socket, messages: Sequence[bytes]) -> None:
    """Send messages to the group, as fast as can be."""
    for message in messages:
        with contextlib.suppress(ConnectionRefusedError):  # the kernel itself takes none
            sender.sendto(message, (0, _MULTICAST))


@contextlib.contextmanager
def flood() -> Iterator[Flood]:
    """Make a flood; needs CAP_NET_ADMIN, without which nobody may listen to a group."""
    made = Flood()
    try:
        yield made
    finally:
        made.close()


def _open_receiver() -> socket.socket:
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _USERSOCK)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
    link.bind((0, _MULTICAST))
    return link


def _memory(link: socket.socket) -> tuple[int, ...]:
    answer = link.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _WORDS * 4)
    return struct.unpack(f"={_WORDS}I", answer)
