from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
from tests.support.conditions import until
from tests.support.direct_broker import DirectBroker
from tests.support.ports import free_port, free_ports

from flowexport_mgmt.link.broker import TcpEndpoint
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.north.acceptor import Acceptor
from flowexport_mgmt.north.listener import Listener, Stop

HOST = "127.0.0.1"


class Greeter:
    """A door that says its name to everybody."""

    def __init__(self, name: bytes) -> None:
        self._name = name

    async def serve(self, listener: socket.socket) -> Stop:
        return Acceptor(listener, self._greet).stop

    async def _greet(self, connection: socket.socket, _: object) -> None:
        connection.sendall(self._name)
        connection.close()


async def greeting(port: int) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    text = await reader.read()
    writer.close()
    return text


@pytest.fixture
def broker() -> Iterator[DirectBroker]:
    broker = DirectBroker()
    yield broker
    broker.close()


def listener(broker: DirectBroker, name: str = "door") -> Listener:
    return Listener(name, broker, Greeter(name.encode()).serve, retry_after=0.01)


def fares(door: Listener) -> OperStatus:
    return door.status


async def move(door: Listener, port: int | None, *, strict: bool = True) -> str:
    reason = await door.prepare(None if port is None else TcpEndpoint(HOST, port), strict=strict)
    if reason:
        await door.abort()
    else:
        await door.apply()
    return reason


async def test_a_door_opens_moves_and_closes(broker: DirectBroker) -> None:
    door, (first, second) = listener(broker), free_ports(2)
    assert fares(door) is OperStatus.DISABLED
    assert await move(door, first) == ""
    assert fares(door) is OperStatus.UP
    assert await greeting(first) == b"door"
    assert await move(door, second) == ""
    assert await greeting(second) == b"door"
    with pytest.raises(ConnectionRefusedError):
        await greeting(first)
    assert await move(door, None) == ""
    assert fares(door) is OperStatus.DISABLED
    with pytest.raises(ConnectionRefusedError):
        await greeting(second)
    await door.stop()


async def test_a_taken_port_is_refused_and_the_old_one_still_serves(broker: DirectBroker) -> None:
    door, port = listener(broker), free_port()
    await move(door, port)
    with socket.create_server((HOST, 0)) as taken:
        other = taken.getsockname()[1]
        reason = await move(door, other)
    assert reason == f"cannot listen on {HOST}:{other}: Address already in use"
    assert (fares(door), door.reason) == (OperStatus.UP, "")
    assert await greeting(port) == b"door"
    await door.stop()


async def test_an_aborted_commit_leaves_nothing_open(broker: DirectBroker) -> None:
    door, (port, other) = listener(broker), free_ports(2)
    await move(door, port)
    await door.prepare(TcpEndpoint(HOST, other), strict=True)
    await door.abort()
    with pytest.raises(ConnectionRefusedError):
        await greeting(other)
    assert await greeting(port) == b"door"
    await door.stop()


async def test_two_doors_swap_their_ports_in_one_commit(broker: DirectBroker) -> None:
    left, right = listener(broker, "left"), listener(broker, "right")
    first, second = free_ports(2)
    await move(left, first)
    await move(right, second)
    assert await left.prepare(TcpEndpoint(HOST, second), strict=True) == ""
    assert await right.prepare(TcpEndpoint(HOST, first), strict=True) == ""
    await left.apply()
    await right.apply()
    assert await greeting(first) == b"right"
    assert await greeting(second) == b"left"
    await left.stop()
    await right.stop()


async def test_at_start_a_taken_port_leaves_the_door_down_until_it_is_free(
    broker: DirectBroker,
) -> None:
    door = listener(broker)
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        assert await move(door, port, strict=False) == ""
        assert fares(door) is OperStatus.DOWN
        assert door.reason == f"cannot listen on {HOST}:{port}: Address already in use"
        # a commit that leaves the port alone is not held up by it
        assert await move(door, port) == ""
        assert fares(door) is OperStatus.DOWN
    await until(lambda: fares(door) is OperStatus.UP)
    assert door.reason == ""
    assert await greeting(port) == b"door"
    await door.stop()


async def test_a_door_that_waits_for_its_port_can_be_closed(broker: DirectBroker) -> None:
    door = listener(broker)
    with socket.create_server((HOST, 0)) as taken:
        await move(door, taken.getsockname()[1], strict=False)
        await move(door, None)
        assert fares(door) is OperStatus.DISABLED
        await door.stop()


async def test_a_retry_that_succeeds_during_a_commit_is_not_opened_twice(
    broker: DirectBroker,
) -> None:
    door = listener(broker)
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        await move(door, port, strict=False)
    assert await door.prepare(TcpEndpoint(HOST, port), strict=True) == ""
    await until(lambda: fares(door) is OperStatus.UP)
    await door.apply()
    assert await greeting(port) == b"door"
    await door.stop()
    with pytest.raises(ConnectionRefusedError):
        await greeting(port)
