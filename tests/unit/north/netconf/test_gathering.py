"""The transport that sends once for all that is written in a turn of the event loop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowexport_mgmt.north.netconf.gathering import GatheringTransport


class Inner(asyncio.Transport):
    """Notes what it is asked."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1)})
        self.calls: list[Any] = []

    def write(self, data: Any) -> None:
        self.calls.append(data)

    def write_eof(self) -> None:
        self.calls.append("eof")

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")

    def get_write_buffer_size(self) -> int:
        return 100


async def test_what_is_written_in_a_turn_is_sent_at_once() -> None:
    inner = Inner()
    transport = GatheringTransport(inner)
    transport.write(b"a")
    transport.writelines([b"b", bytearray(b"c")])
    assert (inner.calls, transport.get_write_buffer_size()) == ([], 103)
    await asyncio.sleep(0)
    assert inner.calls == [b"abc"]
    transport.write(b"d")
    await asyncio.sleep(0)
    assert inner.calls == [b"abc", b"d"]
    assert transport.get_extra_info("peername") == ("192.0.2.1", 1)


@pytest.mark.parametrize(
    ("end", "name"), [("close", "close"), ("abort", "abort"), ("write_eof", "eof")]
)
async def test_what_was_written_goes_before_the_end(end: str, name: str) -> None:
    inner = Inner()
    transport = GatheringTransport(inner)
    transport.write(b"bye")
    getattr(transport, end)()
    await asyncio.sleep(0)
    assert inner.calls == [b"bye", name]
