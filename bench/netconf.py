"""NETCONF over SSH: a small get-config from one and from twenty sessions, and the opening of one.

What is measured is the server's process; the client and the reference's canned answer are raw, so
that the difference is what the datastore, the filters and the framing cost.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh
from tests.support.daemon import Daemon

from bench.measure import Cost, Result
from flowexport_mgmt.wire.netconf import END_OF_MESSAGE, Framing, encode

REFERENCE = Path(__file__).parent / "reference" / "netconf.py"
TARGET, SET_UP_TARGET = 1.5, 1.3
ROUNDS = 5
BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
HELLO = (
    f'<hello xmlns="{BASE}"><capabilities><capability>urn:ietf:params:netconf:base:1.1'
    "</capability></capabilities></hello>"
).encode()
REQUEST = encode(
    f'<rpc xmlns="{BASE}" message-id="1"><get-config><source><running/></source></get-config>'
    "</rpc>".encode(),
    Framing.CHUNKED,
)
_END = b"\n##\n"
_TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A server: its process and its port."""

    process: int
    port: int

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICK


def run(*, quick: bool) -> list[Result]:
    """Measure both servers alternately; costs are those of one request, or of one session."""
    requests, sessions = (1000, 40) if quick else (4000, 100)
    key = asyncssh.generate_private_key("ssh-ed25519")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ours = stack.enter_context(_daemon(Path(folder), key))
        reply = Path(folder) / "reply"
        reply.write_bytes(asyncio.run(_ask_once(ours, key)))
        theirs = stack.enter_context(_reference(reply))
        results = []
        for size in (1, 20):

            async def ask(server: Server, size: int = size) -> None:
                await _ask(server, key, size, requests // size)

            results.append(
                _compare("NETCONF get-config", size, (ours, theirs), ask, count=requests)
            )

        async def open_all(server: Server) -> None:
            for _ in range(sessions):
                await _ask_once(server, key)

        opened = _compare(
            "NETCONF session", 1, (ours, theirs), open_all, count=sessions, target=SET_UP_TARGET
        )
        return [*results, opened]


@contextmanager
def _daemon(folder: Path, key: asyncssh.SSHKey) -> Iterator[Server]:
    line = key.export_public_key().decode().strip()
    with Daemon(folder / "state") as daemon:
        daemon.wait_started()
        daemon.commit(
            '<server xmlns="urn:flowexport:flow-export-server"><user><name>ann</name>'
            f"<authorized-key>{line}</authorized-key></user></server>"
        )
        yield Server(daemon.child("manager"), daemon.ssh_port)


@contextmanager
def _reference(reply: Path) -> Iterator[Server]:
    with subprocess.Popen(
        [sys.executable, REFERENCE, reply], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield Server(process.pid, int(process.stdout.readline()))
        process.kill()


def _compare(
    case: str,
    size: int,
    servers: tuple[Server, Server],
    work: Callable[[Server], Awaitable[None]],
    *,
    count: int,
    target: float = TARGET,
) -> Result:
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for _ in range(ROUNDS):
        for server, found in zip(servers, costs, strict=True):
            cpu, wall = server.cpu, time.perf_counter()
            asyncio.run(_wait(work(server)))
            found.append(Cost((server.cpu - cpu) / count, (time.perf_counter() - wall) / count))
    ours, theirs = (
        Cost(statistics.median(c.cpu for c in each), statistics.median(c.wall for c in each))
        for each in costs
    )
    return Result(case, size, "asyncssh and lxml", ours, theirs, target=target)


async def _wait(work: Awaitable[None]) -> None:
    await work


@contextmanager
def _closing(connection: asyncssh.SSHClientConnection) -> Iterator[None]:
    try:
        yield
    finally:
        connection.close()


async def _ask(server: Server, key: asyncssh.SSHKey, sessions: int, requests: int) -> None:
    """Ask from several sessions at once, each one request after another."""
    await asyncio.gather(*(_ask_one(server, key, requests) for _ in range(sessions)))


async def _ask_once(server: Server, key: asyncssh.SSHKey) -> bytes:
    return await _ask_one(server, key, 1)


async def _ask_one(server: Server, key: asyncssh.SSHKey, requests: int) -> bytes:
    """Open a session, ask, and give the last reply."""
    connection = await asyncssh.connect(
        "127.0.0.1",
        server.port,
        username="ann",
        client_keys=[key],
        known_hosts=None,
        config=None,
        agent_path=None,
    )
    with _closing(connection):
        process = await connection.create_process(subsystem="netconf", encoding=None)
        process.stdin.write(HELLO + END_OF_MESSAGE)
        await process.stdout.readuntil(END_OF_MESSAGE)
        reply = b""
        for _ in range(requests):
            process.stdin.write(REQUEST)
            reply = await process.stdout.readuntil(_END)
    await connection.wait_closed()
    return reply
