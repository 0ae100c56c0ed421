"""What the children share: how they begin, hear of their end, and say why they cannot start."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from flowexport_mgmt.app import memory, privilege
from flowexport_mgmt.app.complaints import complain, missing_package
from flowexport_mgmt.app.settings import ChildSettings, read_child_settings
from flowexport_mgmt.errors import ExitCode, LinkError, StartError
from flowexport_mgmt.observe import log

_LAST_RESORT = 2.0
"""Seconds that a child may take to end in order once its supervisor is gone."""

_logger = logging.getLogger(__name__)

Main = Callable[[ChildSettings, socket.socket], Coroutine[Any, Any, None]]


def run_child(name: str, main: Main, keep: frozenset[int] = frozenset()) -> int:
    """Run a child's ``main`` with the capabilities ``keep``; return its exit status."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the supervisor says when
    memory.share_one_arena()
    log.configure(name)
    try:
        settings = read_child_settings()
        privilege.confine(settings.account, keep)
        control = socket.socket(fileno=settings.control)
        control.set_inheritable(False)
        asyncio.run(_run(main(settings, control)))
    except StartError as error:
        return complain(error)
    except ImportError as error:
        return complain(missing_package(error))
    except LinkError:
        return ExitCode.UNEXPECTED  # the supervisor is gone, and nobody is left to tell
    except Exception:
        _logger.exception("ended by a fault of the program")
        return ExitCode.UNEXPECTED
    return ExitCode.OK


async def _run(main: Coroutine[Any, Any, None]) -> None:
    """Run ``main``, and give memory back meanwhile."""
    giving_back = asyncio.get_running_loop().create_task(_give_back())
    try:
        await main
    finally:
        giving_back.cancel()


async def _give_back() -> None:
    while True:
        await asyncio.sleep(memory.EVERY_S)
        memory.give_back()


class End:
    """The end of a child: asked for by the supervisor or SIGTERM, or forced by its absence."""

    def __init__(self) -> None:
        self.is_forced = False
        """Whether there is little time."""
        self._asked = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.ask)

    def ask(self) -> None:
        """End in order."""
        self._asked.set()

    def force(self) -> None:
        """End in order if that is quick, and in any case: the supervisor is gone."""
        self.is_forced = True
        self._asked.set()
        last_resort = threading.Timer(_LAST_RESORT, os._exit, (ExitCode.UNEXPECTED,))
        last_resort.daemon = True
        last_resort.start()

    async def wait(self) -> None:
        """Return when the end was asked for."""
        await self._asked.wait()
