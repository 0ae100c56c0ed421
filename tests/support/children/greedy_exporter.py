"""Asks for what only the manager may have, and then for a listening socket to be let go."""

from __future__ import annotations

import asyncio

from tests.support.children import control_socket, say

from flowexport_mgmt.link.control_client import Control


async def serve() -> None:
    end = asyncio.Event()
    control = Control(
        control_socket(), on_link=lambda sock, _: sock.close(), on_stop=end.set, on_closed=end.set
    )
    control.start()
    control.ready()
    asking = asyncio.create_task(control.listen_tcp("127.0.0.1", 1))
    control.set_logging("debug", "text")
    await end.wait()
    say("exporter", "answered" if asking.done() else "unanswered")
    asking.cancel()
    await asyncio.wait([asking])
    control.close()


if __name__ == "__main__":
    asyncio.run(serve())
