"""A gNMI server that knows one answer to everything: grpc.aio and canned octets.

``python gnmi.py COUNT SIZE`` prints its port; each second it writes COUNT messages of SIZE octets
to each subscriber, and every other method answers with nothing.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
from grpc import aio

COUNT, SIZE = int(sys.argv[1]), int(sys.argv[2])
MESSAGE = b"\x0a" + bytes([(SIZE & 0x7F) | 0x80, SIZE >> 7]) + b"\0" * SIZE


async def subscribe(_: Any, context: Any) -> None:
    """Write the same messages every second."""
    await context.read()
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        for _number in range(COUNT):
            await context.write(MESSAGE)
        due = max(due + 1, loop.time())
        await asyncio.sleep(due - loop.time())


async def nothing(_request: bytes, _context: Any) -> bytes:
    """Answer with an empty message."""
    return b""


class Handlers(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types
    """Every method."""

    def service(self, details: Any) -> Any:
        if details.method.endswith("Subscribe"):
            return grpc.stream_stream_rpc_method_handler(subscribe)
        return grpc.unary_unary_rpc_method_handler(nothing)


async def main() -> None:
    """Serve until ended."""
    server = aio.server(handlers=(Handlers(),), options=(("grpc.so_reuseport", 0),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


asyncio.run(main())
