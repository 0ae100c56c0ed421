"""Sending datagrams over loopback, in bursts as collectors get them, against sendmmsg in plain C.

Nobody reads: the receiver's buffer is full from the beginning, for both alike.
"""

from __future__ import annotations

import ctypes
import itertools
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.compiler import build
from bench.measure import Result, compare
from flowexport_mgmt.export.endpoint import Endpoint
from flowexport_mgmt.export.methods import GsoMethod, MmsgMethod, SendMethod
from flowexport_mgmt.export.udp import Rung, UdpSender
from flowexport_mgmt.pipeline.pacer import MAX_BURST
from flowexport_mgmt.records import Datagrams

SIZES = (5_000, 20_000, 80_000)
"""Datagrams."""

DATAGRAM = 1376
CASES: tuple[tuple[str, tuple[Rung, ...], float], ...] = (
    ("send GSO", (GsoMethod, MmsgMethod, SendMethod), 1 / 1.8),
    ("send sendmmsg", (MmsgMethod, SendMethod), 1 / 0.7),
)


def run(*, quick: bool) -> list[Result]:
    """Measure the first two ways to send at each size."""
    del quick  # it takes a few seconds
    with tempfile.TemporaryDirectory() as folder:
        library = build("sendmmsg", Path(folder))
    library.send_datagrams.restype = ctypes.c_size_t
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        port = receiver.getsockname()[1]
        return [
            _measure(library, port, case, ladder, size, target)
            for case, ladder, target in CASES
            for size in SIZES
        ]


def _measure(  # noqa: PLR0917 - a row of the table
    library: Any, port: int, case: str, ladder: tuple[Rung, ...], size: int, target: float
) -> Result:
    datagrams = _make(size)
    sender = UdpSender(Endpoint("127.0.0.1", port).connect(0), ladder=ladder)
    with Endpoint("127.0.0.1", port).connect(0) as link:
        costs = compare(_ours(sender, datagrams), _theirs(library, link, datagrams))
    sender.close()
    return Result(case, size, "C sendmmsg", *costs, target=target)


def _make(size: int) -> Datagrams:
    offsets = tuple(range(0, (size + 1) * DATAGRAM, DATAGRAM))
    return Datagrams(bytes(size * DATAGRAM), offsets, (1,) * size, (0,) * size)


def _ours(sender: UdpSender, datagrams: Datagrams) -> Callable[[], None]:
    bounds = [*range(0, len(datagrams), MAX_BURST), len(datagrams)]

    def send() -> None:
        for begin, end in itertools.pairwise(bounds):
            sent = sender.send(datagrams, begin, end)
            if sent.handled != end - begin or sent.failures:
                raise AssertionError(f"a burst was not sent: {sent}")

    return send


def _theirs(library: Any, link: socket.socket, datagrams: Datagrams) -> Callable[[], None]:
    octets = ctypes.c_char_p(datagrams.buffer)  # type: ignore[arg-type] # these are bytes
    count = len(datagrams)
    offsets = (ctypes.c_uint64 * (count + 1))(*datagrams.offsets)

    def send() -> None:
        sent = library.send_datagrams(link.fileno(), octets, offsets, ctypes.c_size_t(count))
        if sent != count:
            raise AssertionError(f"the reference sent {sent} of {count}")

    return send
