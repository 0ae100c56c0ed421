"""What the tests of sessions share."""

from __future__ import annotations

from flowexport_mgmt.export import Instant
from flowexport_mgmt.export.session import Output
from flowexport_mgmt.model.flow_export import Collector, Protocol
from flowexport_mgmt.wire.decoder import Decoder
from flowexport_mgmt.wire.messages import Message, Record


def config(protocol: str, **settings: object) -> Collector:
    values = {"name": "c", "address": "127.0.0.1", "protocol": Protocol(protocol)} | settings
    return Collector(**values)  # type: ignore[arg-type]


def at(second: float) -> Instant:
    """Give an instant, in time with make_batch."""
    return Instant(
        monotonic=100.0 + second,
        unix_ns=1_700_000_000_000_000_000 + int(second * 1e9),
        uptime_ms=1_000_000 + int(second * 1000),
    )


class Reader:
    """Decodes what a session generates; a fault or a gap fails the test."""

    def __init__(self) -> None:
        self._decoder = Decoder()

    def read(self, outputs: list[Output]) -> list[Message]:
        messages = [
            self._decoder.receive(bytes(view), ("192.0.2.1", 1), 1_700_000_000_000_000_000)
            for output in outputs
            for view in output.datagrams
        ]
        for message in messages:
            assert not message.faults
            assert not message.lost
        return messages

    def records(self, outputs: list[Output], kind: str) -> list[Record]:
        return [
            record
            for message in self.read(outputs)
            for record in message.records
            if record.kind == kind
        ]
