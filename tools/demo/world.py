"""What the demo consists of: collectors, a daemon of its own, a NETCONF session to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncssh
from ncclient import manager

from flowexport_mgmt.collect.listen import Endpoint, bind, listening
from flowexport_mgmt.collect.report import Report

PROTOCOLS = {"sflow": "sFlow v5", "netflow9": "NetFlow v9", "ipfix": "IPFIX"}
USER = "demo"
POLLING_INTERVAL = 2
_PROGRAMS = Path(sys.executable).parent
_START_LIMIT = 20.0
_STOP_LIMIT = 10.0


class DemoError(Exception):
    """The demo cannot go on; shown as one line, with the end of the daemon's log."""


class World:
    """Everything lives in one folder and on ports that the kernel chooses."""

    def __init__(self, folder: Path) -> None:
        self.report = Report(strict=False)
        self.ports: dict[str, int] = {}
        self.log = folder / "flowexportd.log"
        self.command_line = [
            str(_PROGRAMS / "flowexport"),
            "--socket",
            str(folder / "state" / "run" / "netconf.sock"),
        ]
        self._folder = folder
        self._key = folder / "id_ed25519"
        self._ssh_port = _free_tcp_port()

    @contextlib.asynccontextmanager
    async def collectors(self) -> AsyncIterator[None]:
        """Receive what is exported, as flowexport-collect does, while the context lasts."""
        sockets = [bind(Endpoint("127.0.0.1", 0)) for _ in PROTOCOLS]
        async with listening(sockets, self.report.receive) as endpoints:
            ports = (endpoint.port for endpoint in endpoints)
            self.ports = dict(zip(PROTOCOLS, ports, strict=True))
            yield

    @contextlib.asynccontextmanager
    async def daemon(self) -> AsyncIterator[None]:
        """Run flowexportd, with a fresh key for its only user, until the context ends.

        Raises:
            DemoError: it does not come up.
        """
        init = self._folder / "init.json"
        init.write_text(json.dumps(self._first_configuration()))
        state = self._folder / "state"
        command = [_PROGRAMS / "flowexportd", "--state-dir", state, "--init", init]
        with self.log.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *map(str, command), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            await self._until_it_answers(process)
            yield
        finally:
            await _end(process)

    @contextlib.contextmanager
    def session(self) -> Iterator[Any]:
        """Log in over SSH."""
        with manager.connect_ssh(
            host="127.0.0.1",
            port=self._ssh_port,
            username=USER,
            key_filename=str(self._key),
            hostkey_verify=False,
            look_for_keys=False,
            allow_agent=False,
            timeout=_START_LIMIT,
        ) as session:
            yield session

    def edit(self) -> str:
        """Write the configuration of the three collectors, as an edit-config takes it."""
        entries = "".join(
            f"<collector><name>{name}</name><address>127.0.0.1</address><port>{port}</port>"
            f"<protocol>{name}</protocol><polling-interval>{POLLING_INTERVAL}</polling-interval>"
            "</collector>"
            for name, port in self.ports.items()
        )
        return (
            '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">'
            f'<flow-export xmlns="urn:flowexport:flow-export">{entries}</flow-export></config>'
        )

    async def ask(self, command: str) -> str:
        """Ask the command line.

        Raises:
            DemoError: it fails.
        """
        process = await asyncio.create_subprocess_exec(
            *self.command_line, "-c", command, stdout=subprocess.PIPE
        )
        output, _ = await process.communicate()
        if process.returncode != 0:
            raise DemoError(f"flowexport ended with code {process.returncode}")
        return output.decode()

    def received(self) -> dict[str, int]:
        """Count the datagrams that came to each collector in the protocol it was configured with.

        Those of an exporter that told nothing of any interface do not count.
        """
        received = dict.fromkeys(PROTOCOLS, 0)
        for key, exporter in self.report.tally.exporters.items():
            if self.ports.get(key.protocol) == key.port and exporter.interfaces:
                received[key.protocol] += exporter.datagrams
        return received

    def is_idle(self) -> bool:
        """Say whether no collector saw any interface count anything."""
        return not any(
            direction.octets
            for exporter in self.report.tally.exporters.values()
            for interface in exporter.interfaces.values()
            for direction in interface.directions
        )

    def _first_configuration(self) -> dict[str, Any]:
        key = asyncssh.generate_private_key("ssh-ed25519", comment=USER)
        self._key.touch(mode=0o600)
        self._key.write_bytes(key.export_private_key())
        public = key.export_public_key().decode().strip()
        return {
            "flow-export-server:server": {
                "netconf": {"ssh": {"port": self._ssh_port}},
                "http": {"port": _free_tcp_port()},
                "user": [{"name": USER, "authorized-key": [public]}],
            }
        }

    async def _until_it_answers(self, process: asyncio.subprocess.Process) -> None:
        deadline = time.monotonic() + _START_LIMIT
        while time.monotonic() < deadline:
            if process.returncode is not None:
                raise DemoError(f"flowexportd ended with code {process.returncode}")
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._ssh_port)
                writer.close()
                return
            await asyncio.sleep(0.05)
        raise DemoError(f"flowexportd does not answer within {_START_LIMIT:.0f} s")


def _free_tcp_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_LIMIT)
    except TimeoutError:
        process.kill()
        await process.wait()
