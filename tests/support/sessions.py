"""What the tests of sessions and of what drives them share."""

from __future__ import annotations

import errno
import math
from ipaddress import ip_address
from typing import Final

from flowexport_mgmt.export import Instant, IpAddress, Sent
from flowexport_mgmt.export.failure import number_failure
from flowexport_mgmt.export.output import Output
from flowexport_mgmt.model.flow_export import Collector, Protocol
from flowexport_mgmt.records import Datagrams
from flowexport_mgmt.wire.decoder import Decoder
from flowexport_mgmt.wire.messages import Message, Record

TEMPLATES: Final = 5
"""What NetFlow v9 and IPFIX announce without flows: counters, names, sampling, two statistics."""

OPTIONS: Final = 3
"""The option data beside the names: sampling and two statistics."""


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
    """Decodes what a session generates; a fault or a gap fails the test, unless it is quiet."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._decoder = Decoder()
        self._quiet = quiet

    def decode(self, datagram: bytes) -> Message:
        message = self._decoder.receive(datagram, ("192.0.2.1", 1), at(0).unix_ns)
        if not self._quiet:
            assert not message.faults
            assert not message.lost
        return message

    def read(self, outputs: list[Output]) -> list[Message]:
        return [self.decode(bytes(view)) for output in outputs for view in output.datagrams]

    def records(self, outputs: list[Output], kind: str) -> list[Record]:
        return [
            record
            for message in self.read(outputs)
            for record in message.records
            if record.kind == kind
        ]


class Script:
    """A sender whose errors a test decides: one entry per datagram, 0 for accepted."""

    method = None
    tls_version = None
    interest = None
    due = math.inf

    def __init__(self, *errors: int, local: str = "192.0.2.1") -> None:
        self.errors = list(errors)
        self.local_address: IpAddress = ip_address(local)
        self.local_is_there = True
        self.closed = False
        self.reports = False
        self.marks: list[int] = []
        self.datagrams: list[bytes] = []

    def advance(self, monotonic: float) -> bool:  # noqa: ARG002 - the face of all senders
        return not self.closed

    def send(self, datagrams: Datagrams, begin: int, end: int) -> Sent:
        sent = Sent()
        for place, datagram in enumerate(list(datagrams)[begin:end], begin):
            error = self.errors.pop(0) if self.errors else 0
            if error == errno.EAGAIN:
                break
            sent.handled += 1
            if error:
                sent.fail(number_failure(error), 1)
                sent.reported |= self.reports
            if error and not self.reports:
                sent.rejected.append(place)
            else:
                self.datagrams.append(bytes(datagram))
        return sent

    def configure(self, dscp: int) -> None:
        self.marks.append(dscp)

    def can_send(self) -> bool:
        return self.local_is_there

    def close(self) -> None:
        self.closed = True
