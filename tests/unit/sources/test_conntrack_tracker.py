"""Dumps that the kernel interrupts, refuses or never ends: a kernel that a test scripts."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import replace

import pytest
from tests.support.conntrack import make_entry

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.records import FlowBatch
from flowexport_mgmt.sources.conntrack.reasons import explain_error, explain_switches
from flowexport_mgmt.sources.conntrack.schedule import TICK_S, Schedule
from flowexport_mgmt.sources.conntrack.switches import Switches
from flowexport_mgmt.sources.conntrack.tracker import Tracker
from flowexport_mgmt.wire.conntrack import encode_end, encode_entry
from flowexport_mgmt.wire.conntrack import numbers as n

FAR_FUTURE = 1 << 62  # a flow that began then is new for every source


def message(number: int, packets: int, sequence: int, *, interrupted: bool = False) -> bytes:
    entry = replace(
        make_entry(number), id=number, counters=(packets, packets * 100), times_ns=(FAR_FUTURE,)
    )
    encoded = bytearray(encode_entry(entry, sequence=sequence))
    if interrupted:
        encoded[6] |= n.NLM_F_DUMP_INTR
    return bytes(encoded)


class Kernel:
    """Answers each request for a dump by the next of its dumps: datagrams, or an errno."""

    def __init__(self, *dumps: object) -> None:
        self.dumps = list(dumps)
        self.requests = 0

    def open(self) -> socket.socket:
        return _Link(self)  # type: ignore[return-value]


class _Link:
    """A netlink socket as far as it is used; events never come."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._waiting: list[bytes] = []
        self._silent, self._other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def setsockopt(self, *_: object) -> None: ...

    def setblocking(self, _: bool) -> None: ...

    def bind(self, _: object) -> None: ...

    def fileno(self) -> int:
        return self._silent.fileno()

    def send(self, request: bytes) -> None:
        sequence = n.HEADER.unpack_from(request)[3]
        self._kernel.requests += 1
        self._waiting = self._kernel.dumps.pop(0)(sequence)  # type: ignore[operator]

    def recv_into(self, view: memoryview) -> int:
        if not self._waiting:
            raise BlockingIOError(errno.EAGAIN, "time is up")
        datagram = self._waiting.pop(0)
        view[: len(datagram)] = datagram
        return len(datagram)

    def close(self) -> None:
        self._silent.close()
        self._other.close()


def whole(*flows: tuple[int, int], interrupted: bool = False) -> object:
    def answer(sequence: int) -> list[bytes]:
        rows = [message(*flow, sequence, interrupted=interrupted) for flow in flows]
        return [*rows, encode_end(sequence)]

    return answer


class Followed:
    """A tracker of a scripted kernel, and the packets that it told of."""

    def __init__(self, *dumps: object) -> None:
        self.kernel = Kernel(*dumps)
        self.told: list[int] = []
        self.tracker = Tracker(self._take, self.kernel.open)
        self.tracker.open()

    def _take(self, batch: FlowBatch) -> None:
        self.told += batch.packets.tolist()

    def dump(self) -> None:
        try:
            self.tracker.dump(aging=True)
        finally:
            self.tracker.close()


def test_an_interrupted_dump_counts_and_is_repeated() -> None:
    followed = Followed(whole((1, 5), interrupted=True), whole((1, 7), (2, 1)))
    followed.dump()
    assert followed.kernel.requests == 2
    assert sorted(followed.told) == [1, 2, 5]
    assert followed.tracker.entries == 2


def test_a_dump_that_is_always_interrupted_is_given_up_for_now() -> None:
    followed = Followed(*(whole((1, 5), interrupted=True) for _ in range(5)))
    followed.dump()
    assert followed.kernel.requests == 3
    assert followed.told == [5]


def test_the_end_may_stand_alone_or_with_entries() -> None:
    together = Followed(lambda sequence: [b"".join(whole((1, 5))(sequence))])  # type: ignore[operator]
    together.dump()
    assert together.told == [5]


def test_what_a_dump_that_breaks_off_had_is_told_by_the_next() -> None:
    def answer(sequence: int) -> list[bytes]:
        return [message(1, 5, sequence), encode_end(sequence, errno.EIO)]

    followed = Followed(answer, whole((1, 6)))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        followed.dump()
    followed.tracker.open()
    followed.dump()
    assert sum(followed.told) == 6


def test_a_refusal_is_told() -> None:
    def answer(sequence: int) -> list[bytes]:
        error = (-errno.EPERM).to_bytes(4, "little", signed=True) + bytes(16)
        return [n.HEADER.pack(36, n.NLMSG_ERROR, 0, sequence, 0) + error]

    with pytest.raises(PermissionError):
        Followed(answer).dump()


def test_silence_is_an_error() -> None:
    with pytest.raises(TimeoutError):
        Followed(lambda _: []).dump()


def test_what_breaks_the_rules_is_an_error() -> None:
    def answer(sequence: int) -> list[bytes]:
        broken = bytearray(message(1, 5, sequence))
        broken[20] = 1
        return [bytes(broken), encode_end(sequence)]

    with pytest.raises(DecodeError):
        Followed(answer).dump()


def test_reasons_name_the_command() -> None:
    for code in (errno.EPROTONOSUPPORT, errno.EINVAL, errno.EOPNOTSUPP):
        assert "modprobe nf_conntrack_netlink" in explain_error(OSError(code, ""))
    assert "CAP_NET_ADMIN" in explain_error(PermissionError(errno.EPERM, ""))
    assert explain_error(OSError(errno.EIO, "broken")) == "ctnetlink: broken"
    assert explain_error(OSError(errno.EIO, "")) == f"ctnetlink: {os.strerror(errno.EIO)}"
    both = explain_switches(Switches(acct=0, timestamp=1, events=0))
    assert both is not None
    assert "sysctl -w net.netfilter.nf_conntrack_acct=1" in both
    assert "sysctl -w net.netfilter.nf_conntrack_events=1" in both
    assert "modprobe" in (explain_switches(Switches()) or "")
    assert explain_switches(Switches(acct=1, timestamp=0, events=2)) is None


def test_dumps_come_at_their_interval_and_when_events_were_lost() -> None:
    schedule = Schedule()
    assert schedule.is_dump_due(100.0)
    schedule.dumped(100.0, 101.0, 10.0, scheduled=True)
    assert not schedule.is_dump_due(109.0)
    assert schedule.is_dump_due(110.0)
    schedule.resync()
    assert not schedule.is_dump_due(101.9)  # dumps take half of the time at most
    assert schedule.owes_resync()
    assert schedule.is_dump_due(102.0)
    assert not schedule.is_scheduled(102.0)
    schedule.dumped(102.0, 102.1, 10.0, scheduled=False)
    assert not schedule.is_dump_due(109.0)
    assert schedule.is_dump_due(110.0)
    schedule.resync()
    schedule.dumped(110.0, 125.0, 10.0, scheduled=True)  # it serves as the other, too
    assert not schedule.owes_resync()
    assert schedule.is_dump_due(125.0)
    schedule.dumped(125.0, 125.0, 1000.0, scheduled=True)
    schedule.shorten(126.0, 5.0)
    assert schedule.is_dump_due(131.0)


def test_waiting_ends_when_something_is_due() -> None:
    schedule = Schedule()
    assert schedule.take_tick(50.0)
    assert not schedule.take_tick(50.0)
    schedule.dumped(50.0, 50.0, 1.0, scheduled=True)
    assert schedule.wait(50.0, idle=False) == 1.0
    assert schedule.wait(50.0, idle=True) == TICK_S
    schedule.resync()
    assert schedule.wait(50.0, idle=False) == 0.5
    assert schedule.wait(60.0, idle=False) == 0.0
