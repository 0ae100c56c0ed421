from __future__ import annotations

import errno
import os
import random
import socket
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.batches import batch, numbered, receive_all
from tests.support.conditions import wait_until
from tests.support.receiver import closed_port

from flowexport_mgmt.export.endpoint import Endpoint
from flowexport_mgmt.export.failure import number_failure
from flowexport_mgmt.export.layout import Layout
from flowexport_mgmt.export.methods import GsoMethod, Method, MmsgMethod, SendMethod
from flowexport_mgmt.export.udp import LADDER, Rung, UdpSender

REFUSED = number_failure(errno.ECONNREFUSED)
EACH_RUNG = pytest.mark.parametrize("rung", LADDER, ids=lambda rung: rung.name)


@pytest.fixture(params=["127.0.0.1", "::1"])
def peer(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        made.bind((request.param, 0))
        yield made


def sender_to(peer: socket.socket | int, *ladder: Rung) -> UdpSender:
    address, port = ("127.0.0.1", peer) if isinstance(peer, int) else peer.getsockname()[:2]
    return UdpSender(Endpoint(address, port).connect(0), ladder=ladder or LADDER)


@EACH_RUNG
def test_everything_arrives_once_and_in_order(peer: socket.socket, rung: Rung) -> None:
    sizes = [900] * 20 + [300] + [900] * 5 + [1200, 1200, 4, 5, 5, 1400] + [60] * 100
    datagrams = numbered(sizes)
    sender = sender_to(peer, rung)
    sent = sender.send(datagrams, 0, len(datagrams))
    assert receive_all(peer) == list(map(bytes, datagrams))
    assert (sent.handled, sent.rejected, sent.failures, sent.fallbacks) == (132, [], {}, [])
    sender.close()


@EACH_RUNG
def test_a_part_of_a_batch(peer: socket.socket, rung: Rung) -> None:
    datagrams = numbered([50] * 40)
    sender = sender_to(peer, rung)
    assert sender.send(datagrams, 7, 23).handled == 16
    assert sender.send(datagrams, 23, 25).handled == 2
    assert receive_all(peer) == [bytes(view) for view in datagrams][7:25]
    sender.close()


@EACH_RUNG
def test_large_datagrams_are_more_than_one_packet_holds(peer: socket.socket, rung: Rung) -> None:
    datagrams = numbered([9000] * 16)
    sender = sender_to(peer, rung)
    assert sender.send(datagrams, 0, 16).handled == 16
    assert receive_all(peer) == list(map(bytes, datagrams))
    sender.close()


@EACH_RUNG
def test_a_closed_port_is_counted_and_nothing_is_lost_when_it_opens(rung: Rung) -> None:
    port = closed_port()
    sender = sender_to(port, rung)
    first = sender.send(batch(b"into the void"), 0, 1)
    assert (first.handled, first.failures) == (1, {})  # the kernel takes it

    def reported() -> bool:
        sent = sender.send(batch(b"x"), 0, 1)
        assert (sent.handled, sent.rejected) == (1, [])
        return sent.reported and set(sent.failures) == {REFUSED}

    wait_until(reported)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", port))
        sent = sender.send(numbered([10] * 5), 0, 5)  # an old report may still be waiting
        assert (sent.handled, sent.rejected) == (5, [])
        assert receive_all(peer) == list(map(bytes, numbered([10] * 5)))
    sender.close()


@EACH_RUNG
def test_every_report_is_counted(rung: Rung) -> None:
    """Over loopback each datagram, and each packet, is answered before the next call."""
    sender = sender_to(closed_port(), rung)
    datagrams = numbered([100] * 16)
    sent = sender.send(datagrams, 0, 16)
    again = sender.send(datagrams, 0, 16)
    assert sent.handled == again.handled == 16
    assert sent.rejected == again.rejected == []
    reports = sent.failures.get(REFUSED, 0) + again.failures.get(REFUSED, 0)
    packets = 2 if rung is GsoMethod else 32
    assert packets - 1 <= reports <= packets
    sender.close()


def test_datagrams_of_unequal_sizes_take_few_calls_and_are_not_cut(peer: socket.socket) -> None:
    sender, calls = sender_to(peer, GsoMethod, _Counted, SendMethod), _Counted.calls
    short, unequal = numbered([60] * 16), numbered(range(600, 664, 4))
    for datagrams in (short, unequal, short, unequal):
        sent = sender.send(datagrams, 0, 16)
        assert (sent.handled, sent.rejected, sent.failures, sent.fallbacks) == (16, [], {}, [])
        assert receive_all(peer) == list(map(bytes, datagrams))
    assert _Counted.calls == calls + 2
    assert sender.method == "gso"
    sender.close()


class _Counted(MmsgMethod):
    """sendmmsg, with its calls counted."""

    calls = 0

    def send(self, begin: int, end: int) -> int:
        type(self).calls += 1
        return super().send(begin, end)


def test_a_system_without_sendmmsg_sends_unequal_sizes_one_by_one(peer: socket.socket) -> None:
    sender = sender_to(peer, GsoMethod, _Closed(errno.ENOSYS, 0), SendMethod)
    datagrams = numbered(range(600, 664, 4))
    sent = sender.send(datagrams, 0, 16)
    assert (sent.handled, sent.rejected, sent.failures) == (16, [], {})
    assert sent.fallbacks == ["enosys: Function not implemented (ENOSYS)"]
    assert receive_all(peer) == list(map(bytes, datagrams))
    assert sender.method == "send"
    sender.close()


def test_what_is_too_long_fails_alone(peer: socket.socket) -> None:
    sender = sender_to(peer)
    sent = sender.send(batch(b"a", bytes(65_536), b"b"), 0, 3)
    assert (sent.handled, sent.rejected, sent.reported) == (3, [1], False)
    assert sent.failures == {number_failure(errno.EMSGSIZE): 1}
    assert receive_all(peer) == [b"a", b"b"]
    sender.close()


class _Closed:
    """A way that does not work here, as the kernel says it."""

    unavailable = frozenset((errno.EIO, errno.ENOSYS))
    is_atomic = True
    stopped = 0

    def __init__(self, number: int, after: int) -> None:
        self.name = errno.errorcode[number].lower()
        self._number = number
        self._after = after
        self._method: Method | None = None

    def __call__(self, link: socket.socket, layout: Layout) -> _Closed:
        self._method = MmsgMethod(link, layout)
        return self

    def reach(self, begin: int, end: int) -> int:
        return min(end, begin + 3)

    def send(self, begin: int, end: int) -> int:
        assert self._method is not None
        if not self._after:
            raise OSError(self._number, os.strerror(self._number))
        self._after -= 1
        return self._method.send(begin, self.reach(begin, end))

    def stop(self) -> None:
        self.stopped += 1


def test_each_fallback_sends_what_is_left(peer: socket.socket) -> None:
    first, second = _Closed(errno.EIO, 2), _Closed(errno.ENOSYS, 1)
    sender = sender_to(peer, first, second, SendMethod)
    datagrams = numbered([100] * 16)
    assert sender.method == "eio"
    sent = sender.send(datagrams, 0, 16)
    assert receive_all(peer) == list(map(bytes, datagrams))
    assert (sent.handled, sent.rejected, sent.failures) == (16, [], {})
    assert sent.fallbacks == [
        "eio: Input/output error (EIO)",
        "enosys: Function not implemented (ENOSYS)",
    ]
    assert (sender.method, first.stopped, second.stopped) == ("send", 1, 1)
    assert sender.send(datagrams, 0, 16).fallbacks == []
    sender.close()


class _Unreliable:
    """A way that now and then fails, stops early or is closed, as a test's dice say."""

    name = "unreliable"
    unavailable = frozenset((errno.EIO,))
    errors = (errno.EPERM, errno.EAGAIN, errno.ENOBUFS, errno.EIO)

    def __init__(self, rung: Rung, dice: random.Random) -> None:
        self._rung = rung
        self._dice = dice

    def __call__(self, link: socket.socket, layout: Layout) -> _Unreliable:
        self._method = self._rung(link, layout)
        self.is_atomic = self._method.is_atomic
        self.stop = self._method.stop
        self.reach = self._method.reach
        return self

    def send(self, begin: int, end: int) -> int:
        if self._dice.random() < 0.2:
            number = self._dice.choice(self.errors)
            raise OSError(number, os.strerror(number))
        if not self.is_atomic:
            end = self._dice.randint(begin + 1, end)
        return self._method.send(begin, end)


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_sent_twice_and_nothing_lost_uncounted(seed: int) -> None:
    dice = random.Random(seed)
    sizes = [dice.choice((60, 60, 60, 700, 1400)) for _ in range(120)]
    datagrams = numbered(sizes)
    rejected: list[int] = []
    failures = fallbacks = position = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        peer.bind(("127.0.0.1", 0))
        sender = sender_to(peer, *(_Unreliable(rung, dice) for rung in LADDER))
        while position < len(datagrams):
            sent = sender.send(datagrams, position, min(position + 16, len(datagrams)))
            position += sent.handled
            rejected += sent.rejected
            failures += sum(sent.failures.values())
            fallbacks += len(sent.fallbacks)
        got = receive_all(peer)
        sender.close()
    kept = [bytes(view) for place, view in enumerate(datagrams) if place not in rejected]
    assert got == kept
    assert len(rejected) == len(set(rejected)) == failures > 0
    assert fallbacks <= 2


def test_settings_bring_the_fastest_way_back(peer: socket.socket) -> None:
    sender = sender_to(peer, _Closed(errno.EIO, 0), SendMethod)
    sender.send(numbered([10]), 0, 1)
    assert sender.method == "send"
    sender.configure(12)
    assert sender.method == "eio"
    assert sender.send(numbered([10]), 0, 1).fallbacks == ["eio: Input/output error (EIO)"]
    assert len(receive_all(peer)) == 2
    sender.close()


def test_the_last_way_is_never_given_up(peer: socket.socket) -> None:
    sender = sender_to(peer, _Closed(errno.EIO, 1))
    sent = sender.send(numbered([10] * 8), 0, 8)
    assert (sent.handled, sent.rejected) == (8, [3, 4, 5, 6, 7])
    assert sent.failures == {number_failure(errno.EIO): 5}
    sender.close()


def test_after_a_fallback_nothing_is_cut_up_any_more(peer: socket.socket) -> None:
    sender = sender_to(peer)
    sender.send(numbered([10] * 4), 0, 4)
    sender._method.stop()
    sender._climb(2)
    whole = batch(bytes(1000))
    assert sender.send(whole, 0, 1).handled == 1
    assert receive_all(peer)[-1] == bytes(1000)
    sender.close()


@pytest.mark.parametrize("rung", [MmsgMethod, SendMethod], ids=lambda rung: rung.name)
def test_a_full_buffer_leaves_the_rest_waiting(rung: Callable[..., Method]) -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    near.setblocking(False)
    sender = UdpSender.__new__(UdpSender)
    sender._socket = near
    sender._layout = Layout()
    sender._ladder, sender._rung = (rung,), 0
    sender._method = rung(near, sender._layout)
    datagrams = numbered([100] * 5000)
    sent = sender.send(datagrams, 0, 5000)
    assert 0 < sent.handled < 5000
    assert not sent.rejected
    assert not sent.failures
    got = [far.recv(200) for _ in range(sent.handled)]
    assert sender.send(datagrams, sent.handled, sent.handled + 1).handled == 1
    got.append(far.recv(200))
    assert got == [bytes(view) for view in datagrams][: len(got)]
    sender.close()
    far.close()


@EACH_RUNG
def test_a_lasting_error_counts_once_a_datagram(rung: Rung) -> None:
    sender = sender_to(closed_port(), rung)
    sender._socket.shutdown(socket.SHUT_WR)
    sent = sender.send(numbered([9] * 5), 0, 5)
    assert (sent.handled, sent.rejected, sent.reported) == (5, [0, 1, 2, 3, 4], False)
    assert sent.failures == {number_failure(errno.EPIPE): 5}
    sender.close()


def test_a_batch_that_was_sent_is_not_kept(peer: socket.socket) -> None:
    sender = sender_to(peer)
    sender.send(numbered([100] * 3), 0, 3)
    assert len(sender._layout.view) == 0
    sender.close()


@given(st.lists(st.integers(1, 4), min_size=1, max_size=30), st.data())
def test_runs_are_equal_but_for_a_shorter_last_one(sizes: list[int], data: st.DataObject) -> None:
    layout = Layout()
    layout.load(numbered([20 * size for size in sizes]))
    begin = data.draw(st.integers(0, len(sizes) - 1))
    end = data.draw(st.integers(begin + 1, len(sizes)))
    stop = layout.run_end(begin, end)
    run = sizes[begin:stop]
    assert begin < stop <= end
    assert set(run[:-1]) <= {sizes[begin]}
    assert run[-1] <= sizes[begin]
    if stop < end and run[-1] == sizes[begin]:
        assert sizes[stop] > sizes[begin]
