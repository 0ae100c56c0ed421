"""Records on their whole way, from columns to the socket, against encoding and sendmmsg in C.

Ours is what the data plane does for a collector: session, encoder, bookkeeping and bursts of 16,
without the time that the pacer leaves between them. Nobody reads, as in the benchmark of sending.
"""

from __future__ import annotations

import ctypes
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench import flows, samples
from bench.compiler import build
from bench.measure import Result, compare
from flowexport_mgmt.export import Collector, Instant, open_sender
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.pipeline.pacer import MAX_BURST

TARGET: Final = 12.0
_NOW: Final = Instant(monotonic=100.0, unix_ns=1_800_000_000_123_456_789, uptime_ms=5_000_000_000)
_PROTOCOLS: Final = {
    "v5": fe.Protocol.NETFLOW5,
    "v9 IPv4": fe.Protocol.NETFLOW9,
    "v9 IPv6": fe.Protocol.NETFLOW9,
    "IPFIX IPv4": fe.Protocol.IPFIX,
    "IPFIX IPv6": fe.Protocol.IPFIX,
}


def run(*, quick: bool) -> list[Result]:
    """Measure each protocol and family at each size."""
    sizes = flows.SIZES[-1:] if quick else flows.SIZES
    with tempfile.TemporaryDirectory() as folder:
        encoder, sampler = build("flows", Path(folder)), build("samples", Path(folder))
        sender = build("sendmmsg", Path(folder))
    sender.send_datagrams.restype = ctypes.c_size_t
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        port = receiver.getsockname()[1]
        results = []
        for name, enriched in samples.NAMES.items():
            for size in sizes:
                case = samples.make_case(sampler, size, enriched=enriched)
                results.append(_measure(sender, name, fe.Protocol.SFLOW, case, port))
        for name, protocol in _PROTOCOLS.items():
            for size in sizes:
                case = flows.make_case(encoder, name, size)
                results.append(_measure(sender, name, protocol, case, port))
        return results


def _measure(sender: Any, name: str, protocol: fe.Protocol, case: flows.Case, port: int) -> Result:
    config = fe.Collector(name="bench", address="127.0.0.1", port=port, protocol=protocol)
    collector = Collector(config, _NOW, lambda *_: None)
    collector.configure(config, open_sender(config), _NOW)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect(("127.0.0.1", port))
        costs = compare(_ours(collector, case), _theirs(sender, link, case))
    collector.close()
    return Result(f"path {name}", len(case.batch), "C", *costs, target=TARGET)


def _ours(collector: Collector, case: flows.Case) -> Callable[[], None]:
    def export() -> None:
        if not collector.generate(case.batch, _NOW):
            raise AssertionError("the collector is down")
        while collector.pending:
            collector.transmit(MAX_BURST, _NOW)
        if collector.statistics.errors:
            raise AssertionError(f"not sent: {collector.statistics}")

    return export


def _theirs(sender: Any, link: socket.socket, case: flows.Case) -> Callable[[], None]:
    found = case.ours().offsets
    offsets, count = (ctypes.c_uint64 * len(found))(*found), len(found) - 1

    def export() -> None:
        case.theirs()
        if sender.send_datagrams(link.fileno(), case.out, offsets, ctypes.c_size_t(count)) != count:
            raise AssertionError("the reference could not send")

    return export
