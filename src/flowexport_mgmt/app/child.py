"""A child process as its supervisor sees it: spawned, spoken to, watched, ended."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from flowexport_mgmt.app import activation, privilege
from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.link import control
from flowexport_mgmt.observe import crash, notify

_DELAYS = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before each restart of a child that keeps dying; the last one repeats."""
_HEALTHY_AFTER = 2.0
"""A child that was ready for so long has not died of its start."""

_logger = logging.getLogger(__name__)


class Child:
    """One of the processes, across its restarts.

    ``module`` is run by this Python. ``privileged``: it inherits ambient capabilities. ``restarts``
    counts the starts after the first.
    """

    def __init__(self, name: str, module: str, *, privileged: bool = False) -> None:
        self.name = name
        self.module = module
        self.privileged = privileged
        self.control: socket.socket | None = None
        self.restarts = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._ready_since: float | None = None
        self._failures = 0

    @property
    def alive(self) -> bool:
        """Whether there is a process that was not seen to end."""
        return self._process is not None

    @property
    def ready(self) -> bool:
        """Whether it said that it does its work."""
        return self._ready_since is not None

    def spawn(
        self,
        ours: socket.socket,
        theirs: socket.socket,
        arguments: Sequence[str],
        inherit: Sequence[int],
    ) -> None:
        """Start the process with ``theirs`` as its control socket; closes ``theirs``.

        It is in a session of its own, so that a Ctrl-C at the terminal reaches the supervisor only.
        """
        environment = activation.without(notify.without(os.environ))
        if self.restarts >= 0:
            environment = crash.without(environment)
        self.restarts += 1
        self.control = ours
        inherited = contextlib.nullcontext() if self.privileged else privilege.without_ambient()
        with theirs, inherited:
            # -P: a folder that happens to be the working directory must not provide modules.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", self.module, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), *inherit],
                start_new_session=True,
            )
        _logger.debug("%s is process %d", self.name, self._process.pid)

    def set_ready(self) -> None:
        """Note that it does its work."""
        self._ready_since = time.monotonic()

    def tell(self, message: control.ToChild, descriptor: int = -1) -> None:
        """Send a message; one that cannot be reached is about to be seen to end."""
        if self.control is not None:
            try:
                control.send(self.control, message, descriptor)
            except LinkError as error:
                _logger.debug("%s cannot be told %s: %s", self.name, type(message).__name__, error)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def reap(self) -> int | None:
        """Return the status of a process that has ended (negative: by that signal), else None."""
        if self._process is None or self._process.poll() is None:
            return None
        status = self._process.returncode
        self._process = None
        self._count_failure()
        return status

    def restart_delay(self) -> float:
        """Seconds to wait before the next start: none the first time, more when it keeps dying."""
        return _DELAYS[min(self._failures, len(_DELAYS)) - 1] if self._failures else 0.0

    def _count_failure(self) -> None:
        since, self._ready_since = self._ready_since, None
        healthy = since is not None and time.monotonic() - since >= _HEALTHY_AFTER
        self._failures = 0 if healthy else self._failures + 1


def describe_status(status: int) -> str:
    """Word how a process ended."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
