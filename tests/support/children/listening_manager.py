"""Listens where FX_LISTEN says (address, port) and on netconf.sock, and dies when connected to."""

from __future__ import annotations

import asyncio
import os
import signal

from tests.support.children import control_socket, say

from flowexport_mgmt.app.settings import read_child_settings
from flowexport_mgmt.link.control_client import Control


async def serve() -> None:
    end = asyncio.Event()
    settings = read_child_settings()
    control = Control(
        control_socket(), on_link=lambda sock, _: sock.close(), on_stop=end.set, on_closed=end.set
    )
    control.start()
    address, port = os.environ["FX_LISTEN"].split()
    control.set_logging("debug", "text")
    try:
        tcp = await control.listen_tcp(address, int(port))
    except OSError as error:
        say("manager", "refused", error.errno)
        control.ready()
        await end.wait()
        return
    unix = await control.listen_unix(str(settings.folders.socket))
    for other in ("/tmp/fx-elsewhere.sock",):
        try:
            await control.listen_unix(other)
        except OSError as error:
            say("manager", "other", error.errno)
    say("manager", "listening")
    control.ready()

    async def greet(listener: str, connection: asyncio.StreamReader) -> None:
        if (await connection.readline()).strip() == b"die":
            os.kill(os.getpid(), signal.SIGKILL)
        say("manager", "heard", listener)

    async with (
        await asyncio.start_server(lambda r, _: greet("tcp", r), sock=tcp),
        await asyncio.start_unix_server(lambda r, _: greet("unix", r), sock=unix),
    ):
        await end.wait()
    control.close()


if __name__ == "__main__":
    asyncio.run(serve())
