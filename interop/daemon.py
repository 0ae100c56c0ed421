"""flowexportd in a namespace, and an ncclient session to it over SSH."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from interop.namespaces import Namespace, eventually, run
from ncclient import manager

PROGRAMS = Path(sys.executable).parent
START_BUDGET = 20.0  # generous: what is measured is not speed


class Daemon:
    """flowexportd with a state folder and a user of its own, who logs in with a fresh key."""

    port = 8300

    def __init__(self, space: Namespace, folder: Path) -> None:
        self.space = space
        self.state = folder / "state"
        self.log = folder / "flowexportd.log"
        self._key = folder / "id_ed25519"
        self._init = folder / "init.json"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._key))
        public = self._key.with_suffix(".pub").read_text().strip()
        server = {
            "netconf": {"ssh": {"port": self.port}},
            "user": [{"name": "tester", "authorized-key": [public]}],
        }
        self._init.write_text(json.dumps({"flow-export-server:server": server}))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers on its socket."""
        command = [str(PROGRAMS / "flowexportd"), "--state-dir", str(self.state)]
        self._process = self.space.start([*command, "--init", str(self._init)], self.log)
        eventually(self._answers, f"flowexportd answers; see {self.log}", START_BUDGET)

    def stop(self) -> None:
        """End it as a service manager does; it must end well."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(10) == 0, self.log.read_text()
        self._process = None

    @contextlib.contextmanager
    def session(self) -> Iterator[Any]:
        """Open a NETCONF session over SSH."""
        with self.space.entered():
            session = manager.connect_ssh(
                host="127.0.0.1",
                port=self.port,
                username="tester",
                key_filename=str(self._key),
                hostkey_verify=False,
                look_for_keys=False,
                allow_agent=False,
                timeout=20,
            )
        with session:
            yield session

    def commit(self, *collectors: str) -> None:
        """Merge collectors into the candidate and commit it."""
        config = (
            '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">'
            f'<flow-export xmlns="urn:flowexport:flow-export">{"".join(collectors)}</flow-export>'
            "</config>"
        )
        with self.session() as session:
            session.edit_config(target="candidate", config=config)
            session.commit()

    def show(self, command: str) -> Any:
        """Ask the command line and return its JSON."""
        return json.loads(self._ask(command).stdout)

    def statistics(self, collector: str) -> dict[str, str]:
        """Read the leaves of a collector's statistics over NETCONF."""
        path = f"/fe:flow-export/fe:collector[fe:name='{collector}']/fe:statistics"
        with self.session() as session:
            names = {"fe": "urn:flowexport:flow-export"}
            reply = session.get(filter=("xpath", (names, path)))
        statistics = reply.data_ele.find(".//{*}statistics")
        return {leaf.tag.rpartition("}")[2]: leaf.text or "" for leaf in statistics}

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        return self._ask("show sessions").returncode == 0

    def _ask(self, command: str) -> subprocess.CompletedProcess[str]:
        socket = self.state / "run" / "netconf.sock"
        return subprocess.run(
            [PROGRAMS / "flowexport", "--socket", socket, "-c", command],
            capture_output=True,
            text=True,
            check=False,
        )


@contextlib.contextmanager
def daemon(space: Namespace, folder: Path) -> Iterator[Daemon]:
    """Run flowexportd in a namespace."""
    made = Daemon(space, folder)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def collector(name: str, protocol: str, port: int, **leaves: object) -> str:
    """Write a collector on 127.0.0.1 that is polled for every second, as XML."""
    given = {"address": "127.0.0.1", "port": port, "protocol": protocol, "polling-interval": 1}
    given |= {leaf.replace("_", "-"): value for leaf, value in leaves.items()}
    inner = "".join(f"<{leaf}>{escape(str(value))}</{leaf}>" for leaf, value in given.items())
    return f"<collector><name>{escape(name)}</name>{inner}</collector>"
