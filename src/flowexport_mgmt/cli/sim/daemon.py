"""flowexportd as a child process, in folders that are gone with it."""

from __future__ import annotations

import ctypes
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from flowexport_mgmt.cli.session.replies import NotReachedError
from flowexport_mgmt.cli.session.unix import UnixSession

_START_S: Final = 30.0
_END_S: Final = 10.0
_LOOK_S: Final = 0.1
_PR_SET_PDEATHSIG: Final = 1


class DaemonEndedError(Exception):
    """The daemon ended by itself; its log says why."""

    def __init__(self, status: int) -> None:
        super().__init__(f"flowexportd ended with status {status}")
        self.status = status


def require_free(port: int) -> None:
    """Refuse a port of loopback that somebody listens on.

    Raises:
        OSError: somebody does, with the port as its file name.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise OSError(error.errno, error.strerror, f"port {port}") from error


class Daemon:
    """The daemon; use it in ``with``. Its log goes to standard error."""

    def __init__(self, document: Mapping[str, Any], http_port: int) -> None:
        self._http_port = http_port
        self._folder = Path(tempfile.mkdtemp(prefix="flowexport-sim-"))
        self._folder.chmod(0o755)  # the user that the daemon becomes has to get through
        init = self._folder / "init.json"
        init.write_text(json.dumps(document), encoding="utf-8")
        init.chmod(0o600)
        self.socket = self._folder / "state" / "run" / "netconf.sock"
        self._command = [
            *(sys.executable, "-m", "flowexport_mgmt.app.main"),
            *("--state-dir", str(self._folder / "state"), "--init", str(init)),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # so that ^C is ours to deal with
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - there is one thread
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it, and remove its folders."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def session(self) -> UnixSession:
        """Open a session.

        Raises:
            NotReachedError: the daemon does not answer.
        """
        return UnixSession(self.socket)

    def wait_until_reached(self) -> None:
        """Wait until it answers on its local socket and over HTTP.

        Raises:
            DaemonEndedError: it ended instead.
            NotReachedError: it does not answer in time.
        """
        deadline = time.monotonic() + _START_S
        while True:
            self.require_alive()
            try:
                with self.session(), socket.create_connection(("127.0.0.1", self._http_port), 1):
                    return
            except (NotReachedError, OSError) as error:
                if time.monotonic() > deadline:
                    raise NotReachedError(f"flowexportd does not answer: {error}") from error
                time.sleep(_LOOK_S)

    def require_alive(self) -> None:
        """Raise DaemonEndedError if it has ended."""
        status = None if self._process is None else self._process.poll()
        if status is not None:
            raise DaemonEndedError(status)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
