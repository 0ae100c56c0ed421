from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from tests.support.conditions import until

from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.link import control
from flowexport_mgmt.link.broker import Broker, TcpEndpoint, UnixEndpoint
from flowexport_mgmt.link.control_client import Control


@dataclass
class Child:
    """A child's Control and the supervisor's end of its socket."""

    heard: list[object] = field(default_factory=list)
    links: list[tuple[socket.socket, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.supervisor, ours = control.pair()
        self.control = Control(
            ours,
            on_link=lambda sock, restarts: self.links.append((sock, restarts)),
            on_stop=lambda: self.heard.append("stop"),
            on_closed=lambda: self.heard.append("closed"),
            on_reload=lambda: self.heard.append("reload"),
            on_logging=lambda level, form: self.heard.append((level, form)),
        )
        self.control.start()

    async def next_request(self) -> control.FromChild:
        found: list[control.FromChild] = []

        def receive() -> bool:
            received = control.receive(self.supervisor, control.from_child)
            if received is not None:
                found.append(received[0])
            return bool(found)

        await until(receive)
        return found[0]


@pytest.fixture
async def child() -> AsyncIterator[Child]:
    child = Child()
    yield child
    child.control.close()
    child.supervisor.close()


async def test_a_link_arrives_with_its_descriptor(child: Child) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            control.send(child.supervisor, control.NewLink(3), theirs.fileno())
        await until(lambda: child.links)
        passed, restarts = child.links[0]
        with passed:
            assert restarts == 3
            assert not os.get_inheritable(passed.fileno())
            ours.send(b"x")
            assert passed.recv(1) == b"x"


async def test_orders_arrive_in_order(child: Child) -> None:
    for order in (control.Reload(), control.SetLogging("debug", "json"), control.Stop()):
        control.send(child.supervisor, order)
    await until(lambda: len(child.heard) == 3)
    assert child.heard == ["reload", ("debug", "json"), "stop"]


async def test_the_child_reports(child: Child) -> None:
    child.control.ready()
    child.control.set_logging("info", "text")
    child.control.reloaded()
    child.control.link_lost(stuck=True)
    said = [await child.next_request() for _ in range(4)]
    assert said == [
        control.Ready(),
        control.SetLogging("info", "text"),
        control.Reloaded(),
        control.LinkLost(stuck=True),
    ]


async def test_a_listening_socket_is_passed(child: Child) -> None:
    broker: Broker = child.control
    asking = asyncio.create_task(broker.listen_tcp("127.0.0.1", 830))
    request = await child.next_request()
    assert isinstance(request, control.Listen)
    assert request.endpoint == TcpEndpoint("127.0.0.1", 830)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        control.send(child.supervisor, control.Bound(request.request), listener.fileno())
        passed = await asyncio.wait_for(asking, 5)
        with passed:
            assert passed.getsockname() == listener.getsockname()
            assert passed.gettimeout() == 0.0
    await broker.release_tcp("127.0.0.1", 830)
    assert await child.next_request() == control.Release(TcpEndpoint("127.0.0.1", 830))


async def test_a_refusal_keeps_its_errno(child: Child) -> None:
    asking = asyncio.create_task(child.control.listen_unix("/run/x"))
    request = await child.next_request()
    assert isinstance(request, control.Listen)
    assert request.endpoint == UnixEndpoint("/run/x")
    control.send(child.supervisor, control.Bound(request.request, errno.EADDRINUSE))
    with pytest.raises(OSError, match="Address already in use") as caught:
        await asyncio.wait_for(asking, 5)
    assert caught.value.errno == errno.EADDRINUSE


async def test_a_socket_for_someone_who_gave_up_is_released(child: Child) -> None:
    asking = asyncio.create_task(child.control.listen_tcp("::1", 1))
    request = await child.next_request()
    assert isinstance(request, control.Listen)
    asking.cancel()
    await asyncio.wait([asking])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        control.send(child.supervisor, control.Bound(request.request), listener.fileno())
        assert await child.next_request() == control.Release(TcpEndpoint("::1", 1))


async def test_the_supervisor_goes(child: Child) -> None:
    asking = asyncio.create_task(child.control.listen_tcp("::1", 1))
    await child.next_request()
    child.supervisor.close()
    with pytest.raises(LinkError, match="supervisor is gone"):
        await asyncio.wait_for(asking, 5)
    assert child.heard == ["closed"]
    with pytest.raises(LinkError, match="control socket failed"):
        child.control.ready()


async def test_a_child_that_does_not_read_is_an_error_and_no_wait(child: Child) -> None:
    child.control.close()
    supervisor, deaf = control.pair()

    def flood() -> None:
        for _ in range(100_000):
            control.send(supervisor, control.Reload())

    with supervisor, deaf, pytest.raises(LinkError, match="Resource temporarily unavailable"):
        flood()


STRANGE = [b"\xff", b"\x81\xa4type\xa4Stop", b"x" * 5000]


@pytest.mark.parametrize("sent", STRANGE)
def test_strange_messages_are_refused_and_leak_no_descriptor(sent: bytes) -> None:
    ours, theirs = control.pair()
    end, other = socket.socketpair()
    with ours, theirs, end:
        with other:
            socket.send_fds(theirs, [sent], [other.fileno()])
        with pytest.raises(LinkError):
            control.receive(ours, control.from_child)
        assert end.recv(1) == b""  # end of file: the copy that was passed is closed


def test_a_descriptor_that_is_no_socket_is_closed_with_its_message() -> None:
    ours, theirs = control.pair()
    reader, writer = os.pipe()
    with ours, theirs:
        socket.send_fds(theirs, [b"x"], [writer])
        os.close(writer)
        with pytest.raises(LinkError, match="strange"):
            control.receive(ours, control.from_child)
        assert os.read(reader, 1) == b""
        os.close(reader)


def test_nothing_has_come_yet() -> None:
    ours, theirs = control.pair()
    with ours, theirs:
        assert control.receive(ours, control.from_child) is None
