"""Child processes for tests of the supervisor: each is run as a module and behaves as it is named.

What they hear goes to standard output, a line each.
"""

from __future__ import annotations

import asyncio
import os
import socket

from flowexport_mgmt.app.settings import read_child_settings
from flowexport_mgmt.link.control_client import Control


def say(*words: object) -> None:
    """Write a line in one piece, since several processes write to the same place."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def control_socket() -> socket.socket:
    """Take the control socket that the supervisor passed."""
    return socket.socket(fileno=read_child_settings().control)


def obey(name: str) -> None:
    """Be ready, say what comes, and end when told."""

    async def serve() -> None:
        end = asyncio.Event()

        def stop() -> None:
            say(name, "stop")
            end.set()

        def link(sock: socket.socket, restarts: int) -> None:
            links.append(sock)
            say(name, "link", restarts)

        def reload() -> None:
            say(name, "reload")
            control.reloaded()

        links: list[socket.socket] = []
        control = Control(
            control_socket(),
            on_link=link,
            on_stop=stop,
            on_closed=end.set,
            on_reload=reload,
            on_logging=lambda level, form: say(name, "logging", level, form),
        )
        control.start()
        say(name, "pid", os.getpid())
        control.ready()
        while name == "exporter" and not end.is_set():
            control.beat()
            await asyncio.sleep(0.1)
        await end.wait()
        for sock in links:
            sock.close()
        control.close()

    asyncio.run(serve())
