"""Connections when there are many of them, and when the kernel keeps less than is wanted."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.netns.conntrack import Tally, exporter
from tests.support.conditions import wait_until
from tests.support.conntrack import (
    Road,
    count_entries,
    fill_many,
    flush,
    make_tuple,
    read_switch,
    road,
    set_switches,
    track,
)
from tests.support.namespaces import Namespace, namespaces
from tests.support.packets import send_each

from flowexport_mgmt.link.messages import SourceStateChange
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.flow_export import ConntrackMode
from flowexport_mgmt.records import FlowBatch
from flowexport_mgmt.sources.conntrack import ConntrackSource, Settings
from flowexport_mgmt.sources.conntrack.sockets import NETLINK_NETFILTER, open_netfilter
from flowexport_mgmt.wire.conntrack import encode_removal

pytestmark = pytest.mark.root

MANY = 100_000
SOME = 20_000
NEAR, FAR = "10.7.0.1", "10.8.0.2"
SO_RCVBUFFORCE = 33
NO_SUCH_FAMILY = 31  # of netlink: what a kernel says that lacks netfilter's


@pytest.fixture
def way() -> Iterator[Road]:
    with road() as made:
        with made.router.inside():
            set_switches()
            track()
        yield made


@pytest.fixture
def space() -> Iterator[Namespace]:
    with namespaces(1) as (made,), made.inside():
        set_switches()
        yield made


@contextmanager
def source(
    settings: Settings,
    publish: Callable[[FlowBatch], None] = lambda _: None,
    *,
    memory: Path | None = None,
    open_socket: Callable[[], socket.socket] = open_netfilter,
) -> Iterator[ConntrackSource]:
    """Follow the connections of the namespace that this thread is in."""
    made = ConntrackSource(settings, publish, lambda *_: None, memory, open_socket)
    made.start()
    try:
        yield made
    finally:
        made.stop(5.0)


def await_status(one: ConntrackSource, status: OperStatus) -> str:
    """Wait until the source fares so; tell why."""
    wait_until(lambda: one.report.status is status, 15.0, f"{status}: {one.report}")
    return one.report.reason or ""


def memory(one: ConntrackSource) -> int:
    accounting = one._tracker.accounting
    return 0 if accounting is None else accounting.table.memory


def track_each(way: Road, count: int) -> int:
    """Make connections of one packet each, from near through the router; count them."""
    way.router.ip("route", "add", "10.7.1.0/24", "via", NEAR)
    with way.near.inside():
        send_each("10.7.1.1", FAR, count)
    with way.router.inside():
        return count_entries()


def test_all_that_fits_the_buffer_is_exported_once(way: Road) -> None:
    tally = Tally()
    with exporter(way) as router:
        router.start()
        router.plane.runtime._pipeline.exchange.tap(tally.take)
        count = track_each(way, MANY)
        assert count >= MANY
        with way.router.inside():
            flush()
        wait_until(lambda: router.state.destroy_events == count, 30.0)
        assert router.state.events_lost == 0
        wait_until(lambda: router.plane.statistics("c").queue_depth == 0, 30.0)
        sent = router.plane.statistics("c")
        assert (sent.dropped_records, sent.errors) == (0, 0)
        assert (sent.records_sent or 0) >= count
    packets = packets_of(tally)
    assert len(packets) == MANY
    assert set(packets.values()) == {1}


class _SmallSocket(socket.socket):
    """A socket that is refused a large buffer."""

    def setsockopt(self, level: int, name: int, *value: Any) -> None:
        if (level, name) != (socket.SOL_SOCKET, SO_RCVBUFFORCE):
            super().setsockopt(level, name, *value)


class _Gate:
    """Takes batches, and stands still with one while it is closed."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.opened = threading.Event()
        self.opened.set()
        self.reached = threading.Event()

    def take(self, batch: FlowBatch) -> None:
        if not self.opened.is_set():
            self.reached.set()
            assert self.opened.wait(30)
        self.tally.take(batch)


def test_a_burst_that_does_not_fit_is_counted_and_resynchronised(way: Road) -> None:
    gate = _Gate()

    def open_small() -> socket.socket:
        return _SmallSocket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)

    with way.router.inside(), source(Settings(1), gate.take, open_socket=open_small) as one:
        await_status(one, OperStatus.UP)
        count = track_each(way, SOME)
        wait_until(lambda: one.report.flows_exported >= SOME, 20.0)
        gate.opened.clear()
        send_again(way, 10)
        assert gate.reached.wait(10)
        flush()
        gate.opened.set()
        wait_until(
            lambda: one.report.destroy_events + one.report.flows_vanished == count,
            20.0,
            "all ended",
        )
        assert one.report.flows_vanished
        assert one.report.events_lost
        assert one.report.resyncs
        assert one.report.status is OperStatus.UP
    packets = packets_of(gate.tally)
    assert len(packets) == SOME
    # The second packet of a flow is lost with its event if the dump had passed it by then.
    assert Counter(packets.values())[1] >= SOME - 10
    assert set(packets.values()) == {1, 2}


def packets_of(tally: Tally) -> Counter[tuple[int, int]]:
    """Add up the packets that were told of each flow that `track_each` makes."""
    packets = Counter[tuple[int, int]]()
    for batch in tally.batches:
        rows = zip(batch.src.tolist(), batch.src_port.tolist(), batch.packets.tolist(), strict=True)
        for address, port, number in rows:
            if address >> 8 == 0x0A0701:
                packets[address, port] += number
    return packets


def send_again(way: Road, count: int) -> None:
    """Send one packet of each of the first flows that `track_each` makes."""
    with way.near.inside():
        send_each("10.7.1.1", FAR, count)


def test_memory_is_given_back_when_flows_end(space: Namespace) -> None:
    del space
    fill_many(SOME)
    with source(Settings(3600)) as one:
        await_status(one, OperStatus.UP)
        assert one.report.flows_active == SOME
        assert SOME * 40 < memory(one) <= SOME * 60
        flush()
        wait_until(lambda: memory(one) == 0, 5.0)
        assert one.report.destroy_events == SOME


def test_memory_is_given_back_when_nobody_told(space: Namespace) -> None:
    del space
    set_switches(events=0)
    fill_many(SOME)
    with source(Settings(1)) as one:
        reason = await_status(one, OperStatus.DEGRADED)
        assert "sysctl -w net.netfilter.nf_conntrack_events=1" in reason
        assert one.report.mode is ConntrackMode.DUMP_ONLY
        wait_until(lambda: one.report.flows_active == SOME)
        flush()
        wait_until(lambda: memory(one) == 0, 5.0)
        assert (one.report.destroy_events, one.report.flows_vanished) == (0, SOME)


def test_without_accounting_it_is_degraded_until_there_is(way: Road) -> None:
    with way.router.inside():
        set_switches(acct=0)
    with exporter(way) as router:
        router.commit(active_timeout=1)
        found = router.await_status("degraded")
        assert found.oper_reason is not None
        assert "sysctl -w net.netfilter.nf_conntrack_acct=1" in found.oper_reason
        assert found.accounting is False
        with way.router.inside():
            set_switches()
        assert router.await_status("up").oper_reason is None
        changes = [one for one in router.plane.events if isinstance(one, SourceStateChange)]
        assert [one.oper_status for one in changes if one.name == "conntrack"] == [
            OperStatus.DEGRADED,
            OperStatus.UP,
        ]
        assert track_each(way, 10) >= 10
        wait_until(lambda: router.state.flows_exported == 10)


def test_without_events_dumps_go_on(way: Road, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with way.router.inside():
        set_switches(events=0)
    with exporter(way) as router:
        router.commit(active_timeout=1)
        assert router.await_status("degraded").mode is ConntrackMode.DUMP_ONLY
        assert "conntrack: mode dump-only" in caplog.messages
        track_each(way, 10)
        wait_until(lambda: router.state.flows_exported == 10)
        with way.router.inside():
            set_switches()
        assert router.await_status("up").mode is ConntrackMode.FULL


def test_without_timestamps_flows_are_known_by_what_they_are(way: Road) -> None:
    with way.router.inside():
        set_switches(timestamp=0)
    tally = Tally()
    with exporter(way) as router:
        router.start()
        assert router.state.timestamps is False
        router.plane.runtime._pipeline.exchange.tap(tally.take)
        for _ in range(2):  # the same connections once more
            send_again(way, 1000)
            router.commit(active_timeout=1)
            wait_until(lambda: router.state.dump_entries == 1000)
            with way.router.inside():
                flush()
            wait_until(lambda: router.state.flows_active == 0)
        wait_until(lambda: router.state.flows_exported == 2000)
    assert all((batch.start_ms <= batch.end_ms).all() for batch in tally.batches)
    assert set(Counter(tally.sources()).values()) == {2}


def test_without_the_netlink_module_it_is_degraded_until_there_is(space: Namespace) -> None:
    del space
    families = [NO_SUCH_FAMILY]

    def open_socket() -> socket.socket:
        return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, families[0])

    with source(Settings(60), open_socket=open_socket) as one:
        assert "modprobe nf_conntrack_netlink" in await_status(one, OperStatus.DEGRADED)
        families[0] = NETLINK_NETFILTER
        await_status(one, OperStatus.UP)


PROGRAM = """
import sys, time
from pathlib import Path
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.sources.conntrack import ConntrackSource, Settings
memory = Path(sys.argv[1]) if sys.argv[1:] else None
one = ConntrackSource(Settings(60, manage_kernel=bool(memory)), lambda _: None,
                      lambda status, reason: print(status, reason, flush=True), memory)
one.start()
time.sleep(60)
"""


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    """Run the source in a process of its own, in the namespace that this thread is in."""
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def test_without_the_capability_it_is_degraded(space: Namespace) -> None:
    del space
    drop = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", "--reuid=65534")
    with process(*drop, "--clear-groups", sys.executable, "-c", PROGRAM) as child:
        assert child.stdout is not None
        said = child.stdout.readline()
    assert said.startswith("degraded")
    assert "CAP_NET_ADMIN" in said


def test_switches_that_cannot_be_set_are_named(space: Namespace, tmp_path: Path) -> None:
    """As in a container, where /proc/sys is read-only; what can be had goes on."""
    del space
    set_switches(acct=0)
    sealed = "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec"
    words = f'{sealed} "$0" -c "$1" "$2"'
    command = ("unshare", "-m", "sh", "-c", words, sys.executable, PROGRAM)
    with process(*command, str(tmp_path / "word")) as child:
        assert child.stdout is not None
        said = child.stdout.readline()
    assert said.startswith("degraded manage-kernel: /proc/sys/net/netfilter/nf_conntrack_acct: ")
    assert "Read-only" in said


def test_switches_are_set_and_put_back(way: Road, tmp_path: Path) -> None:
    with way.router.inside():
        set_switches(acct=0, timestamp=0, events=2)
        with exporter(way, state_folder=tmp_path) as router:
            router.start()
            assert [read_switch(name) for name in ("acct", "timestamp", "events")] == [0, 0, 2]
            router.commit(manage_kernel=True)
            wait_switches(1, 1, 1)
            wait_until(lambda: router.state.accounting and router.state.timestamps)
            router.commit(manage_kernel=False)
            wait_switches(0, 0, 2)
            router.commit(manage_kernel=True)
            wait_switches(1, 1, 1)
            set_switches(acct=1, timestamp=1, events=2)  # by somebody else
            router.commit(enabled=False)
            wait_switches(0, 0, 2)
        assert list(tmp_path.iterdir()) == []


def wait_switches(*values: int) -> None:
    names = ("acct", "timestamp", "events")
    wait_until(lambda: tuple(map(read_switch, names)) == values)


@pytest.mark.parametrize("manages", [True, False])
def test_a_process_that_was_killed_leaves_word(way: Road, tmp_path: Path, manages: bool) -> None:
    file = tmp_path / "conntrack-switches.json"
    with way.router.inside():
        set_switches(acct=0, timestamp=0, events=2)
        with process(sys.executable, "-c", PROGRAM, str(file)) as child:
            wait_switches(1, 1, 1)
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        assert file.exists()
        with exporter(way, state_folder=tmp_path) as router:
            if manages:
                router.start(manage_kernel=True)
                wait_switches(1, 1, 1)
                router.commit(enabled=False)
            else:
                router.commit(enabled=False)
            wait_switches(0, 0, 2)
        assert not file.exists()


def test_word_of_another_namespace_is_not_heeded(space: Namespace, tmp_path: Path) -> None:
    del space
    file = tmp_path / "conntrack-switches.json"
    set_switches(acct=0)
    with process(sys.executable, "-c", PROGRAM, str(file)) as child:
        wait_switches(1, 1, 1)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    with namespaces(1) as (other,), other.inside():
        set_switches()
        with source(Settings(60), memory=file) as one:
            await_status(one, OperStatus.UP)
        wait_switches(1, 1, 1)


def test_stopping_does_not_wait_for_a_dump(space: Namespace) -> None:
    del space
    fill_many(MANY)
    with source(Settings(1)) as one:
        wait_until(lambda: one._tracker.accounting is not None)
        one.stop(1.0)
        assert not one._thread.is_alive()


def test_one_connection_is_taken_out_of_the_table(space: Namespace) -> None:
    """What tools that end connections ask the kernel for."""
    del space
    fill_many(3)
    with open_netfilter() as link:
        link.send(encode_removal(make_tuple(1)))
    assert count_entries() == 2
