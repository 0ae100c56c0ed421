"""``flowexport-sim``: starts the daemon with the devices of a command line, and watches it."""

from __future__ import annotations

import importlib.metadata
import secrets
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from flowexport_mgmt.cli.session.replies import NotReachedError
from flowexport_mgmt.cli.sim.arguments import Options, read_options
from flowexport_mgmt.cli.sim.daemon import Daemon, DaemonEndedError, require_free
from flowexport_mgmt.cli.sim.document import Login, make_login, write_document
from flowexport_mgmt.cli.sim.ledger import Progress, read_progress, rest, write_ledger
from flowexport_mgmt.errors import ExitCode, ManagementError

_STEP_S: Final = 1.0
_SELDOM: Final = 5
"""Of so many steps one is told where nobody watches a terminal."""
_REST_S: Final = 20.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; return its exit status."""
    options = read_options(arguments)
    if options.version:
        sys.stdout.write(f"flowexport-sim {importlib.metadata.version('flowexport-mgmt')}\n")
        return ExitCode.OK
    try:
        return _run(_with_seed(options))
    except DaemonEndedError as error:
        return _complain(str(error), error.status if error.status > 0 else ExitCode.UNEXPECTED)
    except (NotReachedError, ManagementError) as error:
        return _complain(str(error), ExitCode.UNEXPECTED)
    except OSError as error:
        return _complain(f"{error.filename or ''}: {error.strerror}", ExitCode.RESOURCE_MISSING)


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"flowexport-sim: {message}\n")
    return status


def _with_seed(options: Options) -> Options:
    """Draw a seed where none is given, so that it can be told."""
    return replace(options, seed=secrets.randbits(63)) if options.seed is None else options


def _run(options: Options) -> int:
    if options.ledger is not None:
        options.ledger.touch()  # what cannot be written is better known now
    login = make_login(Path.home()) if options.has_doors else None
    for port in filter(None, (options.port, options.netconf_port, options.gnmi_port)):
        require_free(port)
    ending = _Ending()
    with Daemon(write_document(options, login), options.port) as daemon:
        daemon.wait_until_reached()
        started = datetime.now(UTC)
        _announce(options, login)
        _watch(daemon, options, ending)
        with daemon.session() as session:
            rest(session)
        progress = _await_rest(daemon)
        if options.ledger is not None:
            with daemon.session() as session:
                write_ledger(options.ledger, session, started, options.seed)
    _tell("sent in all", progress)
    return ExitCode.OK


class _Ending:
    """Whether somebody asked the program to end."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._asked.set())

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until somebody asked."""
        return self._asked.wait(max(0.0, seconds))


def _announce(options: Options, login: Login | None) -> None:
    _say(f"seed {options.seed}; devices over HTTP: http://127.0.0.1:{options.port}/api/v1/devices")
    if options.netconf_port is not None:
        _say(f"NETCONF over SSH: 127.0.0.1:{options.netconf_port}")
    if options.gnmi_port is not None:
        _say(f"gNMI over TLS, with a certificate of its own: 127.0.0.1:{options.gnmi_port}")
    if login is not None:
        keys = f" or {len(login.keys)} keys of ~/.ssh" if login.keys else ""
        _say(f"user {login.name}, password {login.password}{keys}")


def _watch(daemon: Daemon, options: Options, ending: _Ending) -> None:
    """Tell how it goes until it is time to end."""
    begin = time.monotonic()
    end = None if options.duration_ms is None else begin + options.duration_ms / 1000
    steps = 0
    while end is None or time.monotonic() < end:
        left = _STEP_S if end is None else min(_STEP_S, end - time.monotonic())
        if ending.wait(left):
            return
        daemon.require_alive()
        steps += 1
        if sys.stdout.isatty() or steps % _SELDOM == 0:
            with daemon.session() as session:
                progress = read_progress(session)
            _tell(f"{time.monotonic() - begin:6.0f} s", progress)


def _await_rest(daemon: Daemon) -> Progress:
    """Wait until nothing is on its way any more."""
    deadline = time.monotonic() + _REST_S
    while True:
        with daemon.session() as session:
            progress = read_progress(session)
        if progress.status == "disabled" or time.monotonic() > deadline:
            return progress
        time.sleep(0.1)


def _tell(head: str, progress: Progress) -> None:
    sums = progress.sums
    text = (
        f"{head}  {progress.exporting} devices  {sums['sent-packets']:,} datagrams"
        f"  {sums['sent-records']:,} records  {sums['send-failures']:,} failures"
    )
    _say(f"{text}  {progress.reason}".rstrip())


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
