"""What is written: JSON objects, plain lines, faults, and the summary at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TextIO

import msgspec

from flowexport_mgmt.collect.printable import printable
from flowexport_mgmt.collect.tally import Tally
from flowexport_mgmt.wire.messages import Message, Source


def write(stream: TextIO, lines: Iterable[str]) -> None:
    """Write lines at once, so that a pipe has them when the datagram arrived."""
    text = "".join(f"{line}\n" for line in lines)
    if text:
        stream.write(text)
        stream.flush()


def render_json(port: int, message: Message) -> Iterator[str]:
    """Yield one JSON object per record."""
    common = {
        "time": render_time(message.time_ns),
        "source": render_source(message.source),
        "listen-port": port,
        "protocol": message.protocol,
        "domain": message.domain,
        "sequence": message.sequence,
    }
    for record in message.records:
        line = {**common, "kind": record.kind, "fields": record.fields}
        yield msgspec.json.encode(line).decode()


def render_lines(port: int, message: Message) -> Iterator[str]:
    """Yield one line per record."""
    for record in message.records:
        known = ((name, value) for name, value in record.fields.items() if value is not None)
        fields = " ".join(f"{name}={printable(str(value))}" for name, value in known)
        yield f"{render_time(message.time_ns)} {_origin(port, message)} {record.kind} {fields}"


def render_faults(port: int, message: Message) -> Iterator[str]:
    """Yield one line per fault, with source and octet."""
    for fault in message.faults:
        yield f"{_origin(port, message)}: {fault}"


def render_summary(tally: Tally, faults: int) -> Iterator[str]:
    """Yield a line for all, and one per exporter."""
    yield (
        f"{tally.datagrams} datagrams, {tally.records} records, {faults} faults"
        f" from {len(tally.exporters)} exporters"
    )
    for exporter in tally.exporters.values():
        key = exporter.key
        yield (
            f"  {key.address} to port {key.port}, {key.protocol}: {exporter.datagrams} datagrams,"
            f" {exporter.records} records, {len(exporter.interfaces)} interfaces,"
            f" {exporter.lost} lost, {exporter.faults} faults"
        )


def render_time(time_ns: int) -> str:
    """Write Unix time in nanoseconds as RFC 3339 has it, to the microsecond."""
    moment = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns // 1_000 % 1_000_000:06d}Z"


def render_source(source: Source) -> str:
    """Write address and port as one word."""
    address, port = source
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _origin(port: int, message: Message) -> str:
    source = render_source(message.source)
    return f"{source} to port {port} {message.protocol} sequence {message.sequence}"
