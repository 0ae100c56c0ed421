"""Thousands of connections that never log in: management answers all the same."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncssh
import pytest
from tests.netns.conftest import Wire
from tests.support.conditions import wait_until
from tests.support.daemon import FLOWEXPORTD, Daemon
from tests.support.netconf import FXS

from flowexport_mgmt.wire.netconf import END_OF_MESSAGE

pytestmark = pytest.mark.root

SOURCES = 8
CONNECTIONS = 3000
ADDRESS = "10.7.0.1"


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextmanager
def daemon_at(wire: Wire, folder: Path, key: asyncssh.SSHKey) -> Iterator[Daemon]:
    """Run a daemon inside ``near`` that listens on all its addresses."""
    command = ("ip", "netns", "exec", wire.near.name, FLOWEXPORTD)
    line = key.export_public_key().decode().strip()
    with Daemon(folder / "state", command=command) as daemon:
        daemon.wait_started()
        daemon.commit(
            f'<server xmlns="{FXS}"><netconf><ssh><address>0.0.0.0</address></ssh></netconf>'
            f"<user><name>ann</name><authorized-key>{line}</authorized-key></user></server>"
        )
        yield daemon


def descriptors(process: int) -> int:
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def open_silently(wire: Wire, port: int, stack: ExitStack) -> list[socket.socket]:
    """Connect from several addresses of ``far`` and say nothing."""
    opened = []
    with wire.far.inside():
        for number in range(CONNECTIONS):
            connection = stack.enter_context(socket.socket())
            connection.bind((f"10.7.0.{100 + number % SOURCES}", 0))
            connection.settimeout(20)
            connection.connect((ADDRESS, port))
            opened.append(connection)
    return opened


def still_open(connections: list[socket.socket]) -> int:
    """Count the connections that the server has not closed."""
    return sum(not is_closed(connection) for connection in connections)


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        while connection.recv(1 << 12):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True


def hello_over_ssh(wire: Wire, port: int, source: str, key: asyncssh.SSHKey) -> bytes:
    """Log in from an address of ``far`` and read what NETCONF says first."""
    with wire.far.inside(), socket.socket() as connection:
        connection.bind((source, 0))
        connection.settimeout(20)
        connection.connect((ADDRESS, port))
        connection.setblocking(False)
        return asyncio.run(read_hello(connection, key))


async def read_hello(connection: socket.socket, key: asyncssh.SSHKey) -> bytes:
    async with (
        asyncio.timeout(20),
        asyncssh.connect(
            sock=connection, username="ann", client_keys=[key], known_hosts=None, config=None
        ) as client,
    ):
        process = await client.create_process(subsystem="netconf", encoding=None)
        greeting: bytes = await process.stdout.readuntil(END_OF_MESSAGE)
        return greeting


@pytest.mark.usefixtures("many_descriptors")
def test_half_open_connections_keep_nobody_out(wire: Wire, tmp_path: Path) -> None:
    for number in range(SOURCES):
        wire.far.ip("address", "add", f"10.7.0.{100 + number}/24", "dev", "port1")
    key = asyncssh.generate_private_key("ssh-ed25519")
    with daemon_at(wire, tmp_path, key) as daemon, ExitStack() as stack:
        manager, port = daemon.child("manager"), daemon.ssh_port
        before = descriptors(manager)
        strangers = open_silently(wire, port, stack)
        with daemon.netconf() as session:  # the Unix socket knows no strangers
            session.get_config()
        for source in ("10.7.0.2", "10.7.0.100"):  # from elsewhere, and from one of the sources
            assert b"<hello" in hello_over_ssh(wire, port, source, key)
        assert descriptors(manager) <= before + 16 + 128 + 4
        assert still_open(strangers) <= 16 + 128
        stack.close()
        wait_until(lambda: descriptors(manager) <= before, what="descriptors come back")
        with daemon.netconf() as session:
            state = session.get(f'<server xmlns="{FXS}"><netconf><refusals/></netconf></server>')
        refusals = {
            str(leaf.tag).rpartition("}")[2]: int(leaf.text or 0)
            for leaf in state.iterfind(f".//{{{FXS}}}refusals/*")
        }
        assert refusals["unauthenticated"] >= CONNECTIONS - 16 - 128
        assert refusals["unauthenticated"] + refusals["failed-logins"] == CONNECTIONS
