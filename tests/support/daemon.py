"""flowexportd as a real process with folders and ports of its own."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.support.conditions import wait_until
from tests.support.netconf import FE, FXS, Netconf
from tests.support.ports import free_ports
from tests.support.processes import Program

FLOWEXPORTD = Path(sys.executable).with_name("flowexportd")


def flow_export(*entries: str) -> str:
    """Write a configuration of collectors."""
    return f'<flow-export xmlns="{FE}">{"".join(entries)}</flow-export>'


class Collector:
    """A UDP socket that takes what the exporter sends to it."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])

    def receive(self, seconds: float = 20.0) -> bytes:
        self.socket.settimeout(seconds)
        return self.socket.recv(65535)

    def drain(self) -> list[bytes]:
        """Take everything that waits."""
        waiting = []
        self.socket.setblocking(False)
        try:
            while True:
                waiting.append(self.socket.recv(65535))
        except BlockingIOError:
            return waiting

    def xml(self, name: str, protocol: str = "sflow", **leaves: object) -> str:
        """Write a configuration that sends to this collector every second."""
        return flow_export(self.entry(name, protocol, **leaves))

    def entry(self, name: str, protocol: str = "sflow", **leaves: object) -> str:
        """Write the list entry of `xml`."""
        given = {
            "address": "127.0.0.1",
            "port": self.port,
            "protocol": protocol,
            "polling-interval": 1,
        }
        given |= {leaf.replace("_", "-"): value for leaf, value in leaves.items()}
        inner = "".join(f"<{leaf}>{value}</{leaf}>" for leaf, value in given.items())
        return f"<collector><name>{name}</name>{inner}</collector>"

    def document(self, name: str) -> dict[str, object]:
        """Write an instance document that sends sFlow to this collector every second."""
        entry = {
            "name": name,
            "address": "127.0.0.1",
            "port": self.port,
            "protocol": "sflow",
            "polling-interval": 1,
        }
        return {"flow-export:flow-export": {"collector": [entry]}}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


class Daemon(Program):
    """flowexportd on ``state``, with doors on free ports unless the folder has a configuration."""

    def __init__(
        self,
        state: Path,
        *options: object,
        environment: Mapping[str, str] | None = None,
        init: Mapping[str, Any] | None = None,
        command: Sequence[object] = (FLOWEXPORTD,),
    ) -> None:
        self.state = state
        self.socket = state / "run" / "netconf.sock"
        document = state.with_name(f"{state.name}-init.json")
        document.write_text(json.dumps(self.init_document(init or {})))
        super().__init__(
            [
                *map(str, command),
                "--state-dir",
                str(state),
                "--init",
                str(document),
                *map(str, options),
            ],
            environment,
        )

    def init_document(self, more: Mapping[str, Any]) -> dict[str, Any]:
        self.ssh_port, self.http_port, self.gnmi_port = free_ports(3)
        server = {
            "netconf": {"ssh": {"port": self.ssh_port}},
            "http": {"port": self.http_port},
            "gnmi": {"port": self.gnmi_port},
        }
        return {"flow-export-server:server": server, **more}

    def wait_started(self, seconds: float = 20.0) -> None:
        self.find("supervisor app.supervisor: started", seconds=seconds)

    def netconf(self, seconds: float = 20.0) -> Netconf:
        """Open a session as soon as there is somebody to open it with."""

        def connect() -> Netconf | None:
            assert self.process.poll() is None, self.output
            try:
                return Netconf(self.socket)
            except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError):
                return None

        session = wait_until(connect, seconds, f"a session; log:\n{self.output}")
        assert session is not None
        return session

    def commit(self, config: str, operation: str = "merge") -> None:
        with self.netconf() as session:
            session.edit(config, operation=operation)
            session.commit()

    def exporter(self) -> dict[str, str]:
        """Read /flow-export/exporter."""
        with self.netconf() as session:
            reply = session.get(f'<flow-export xmlns="{FE}"><exporter/></flow-export>')
        found = reply.find(f".//{{{FE}}}exporter")
        return (
            {}
            if found is None
            else {str(leaf.tag).rpartition("}")[2]: leaf.text or "" for leaf in found}
        )

    def running_commit(self) -> int:
        """Return the id of the latest commit in the history."""
        with self.netconf() as session:
            reply = session.get(f'<server xmlns="{FXS}"><history/></server>')
        return max(
            int(found.text or "0") for found in reply.iterfind(f".//{{{FXS}}}commit/{{{FXS}}}id")
        )

    def child(self, name: str) -> int:
        """Find the process id of a child by its module; 0 where there is none just now."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and self._is_child(entry, name):
                return int(entry.name)
        return 0

    def _is_child(self, entry: Path, name: str) -> bool:
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            return False
        return (
            int(parent) == self.process.pid
            and state != "Z"
            and f"flowexport_mgmt.app.{name}".encode() in words
        )
