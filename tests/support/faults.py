"""The fault catalogue: one stream for each fault that the strict decoders name.

A stream is what one exporter sends; the last datagram has the fault, everything before it is
sound. The offset is that of the octet in the last datagram.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.wire import (
    ipfix_message,
    one_set,
    sflow_datagram,
    sflow_record,
    u16,
    u32,
    v5_datagram,
    v5_record,
    v9_packet,
)


@dataclass(frozen=True)
class Stream:
    """Datagrams of one exporter, and the fault in the last of them."""

    code: str
    offset: int
    datagrams: tuple[bytes, ...]


def stream(code: str, offset: int, *datagrams: bytes) -> Stream:
    return Stream(code, offset, datagrams)


NETFLOW5 = [
    stream("truncated", 23, v5_datagram()[:23]),
    stream("count", 2, v5_datagram()),
    stream("count", 2, v5_datagram(*[v5_record()] * 31)),
    stream("message-length", 2, v5_datagram(v5_record(), count=2)),
    stream("message-length", 2, v5_datagram(v5_record(), b"\0\0\0\0", count=1)),
    stream("padding", 24, v5_datagram(v5_record(padding=(1, 0)))),
    stream("padding", 72, v5_datagram(v5_record(), v5_record(padding=(0, 9)))),
    stream("end-before-start", 24, v5_datagram(v5_record(95_000, 94_999))),
    stream("end-after-export", 24, v5_datagram(v5_record(95_000, 100_001))),
    stream("sequence-gap", 0, v5_datagram(v5_record()), v5_datagram(v5_record(), sequence=2)),
    stream("sequence-late", 0, v5_datagram(v5_record()), v5_datagram(v5_record())),
    stream("sequence-restart", 0, v5_datagram(v5_record(), sequence=900), v5_datagram(v5_record())),
    stream(
        "export-time-back",
        8,
        v5_datagram(v5_record()),
        v5_datagram(v5_record(), sequence=1, nanoseconds=4),
    ),
    stream(
        "uptime-back",
        4,
        v5_datagram(v5_record()),
        v5_datagram(v5_record(), sequence=1, uptime=99_999),
    ),
]  # fmt: skip - a line for each stream

# NetFlow v9: a template of octets (1) and uptimes (22, 21), and records of it.
V9_TEMPLATE = one_set(0, u16(300, 3, 1, 4, 22, 4, 21, 4))
V9_RECORD = u32(500, 90_000, 95_000)
V9_DATA = one_set(300, V9_RECORD)


def v9_template(*numbers: int) -> bytes:
    return v9_packet(one_set(0, u16(*numbers)), count=1)


def v9_options(*numbers: int) -> bytes:
    return v9_packet(one_set(1, u16(*numbers, 0)), count=1)  # padded


NETFLOW9 = [
    stream("truncated", 19, v9_packet(count=0)[:19]),
    stream("count", 2, v9_packet(V9_TEMPLATE, V9_DATA, count=3)),
    stream("set-length", 22, v9_packet(one_set(0, b"", length=3), count=0)),
    stream("set-overrun", 22, v9_packet(one_set(300, V9_RECORD, length=20), count=1)),
    stream("set-alignment", 42, v9_packet(V9_TEMPLATE, one_set(300, V9_RECORD + b"\0"), count=2)),
    stream(
        "set-padding",
        42,
        v9_packet(one_set(0, u16(300, 1, 1, 6)), one_set(300, bytes(6) + b"\0\x01"), count=2),
    ),
    stream(
        "partial-record", 56, v9_packet(V9_TEMPLATE, one_set(300, V9_RECORD + bytes(4)), count=2)
    ),
    stream("set-id", 20, v9_packet(one_set(2, u16(300, 1, 1, 4)), count=1)),
    stream("set-empty", 44, v9_packet(V9_TEMPLATE, one_set(300, b""), count=1)),
    stream("message-length", 56, v9_packet(V9_TEMPLATE, V9_DATA, b"\0\0", count=2)),
    stream("template-missing", 20, v9_packet(V9_DATA, count=1)),
    stream("template-id", 24, v9_template(255, 1, 1, 4)),
    stream(
        "template-redefined",
        24,
        v9_packet(V9_TEMPLATE, count=1),
        v9_packet(one_set(0, u16(300, 1, 1, 4)), count=1, sequence=1),
    ),
    stream("template-fields", 24, v9_template(300, 0)),
    stream("template-short", 28, v9_template(300, 3, 1, 4)),
    stream("scope-count", 26, v9_options(512, 0, 4, 34, 4)),
    stream("template-fields", 26, v9_options(512, 3, 4, 2, 4, 34, 4)),
    stream("element-unknown", 24, v9_template(300, 1, 499, 4)),
    stream("element-length", 24, v9_template(300, 2, 1, 4, 8, 3)),
    stream("element-length", 24, v9_template(300, 2, 1, 4, 2, 9)),
    stream("element-length", 28, v9_template(300, 1, 82, 0xFFFF)),
    stream("sequence-gap", 0, v9_packet(V9_TEMPLATE, count=1), v9_packet(count=0, sequence=3)),
    stream("sequence-late", 0, v9_packet(count=0, sequence=9), v9_packet(count=0, sequence=9)),
    stream("sequence-restart", 0, v9_packet(count=0, sequence=900), v9_packet(count=0)),
    stream("sequence-restart", 0, v9_packet(count=0, sequence=9), v9_packet(count=0)),
    stream(
        "end-before-start",
        44,
        v9_packet(V9_TEMPLATE, one_set(300, u32(500, 95_000, 90_000)), count=2),
    ),
    stream(
        "end-after-export",
        44,
        v9_packet(V9_TEMPLATE, one_set(300, u32(500, 90_000, 100_001)), count=2),
    ),
    stream(
        "export-time-back",
        8,
        v9_packet(count=0),
        v9_packet(count=0, sequence=1, seconds=1_799_999_999),
    ),
    stream("uptime-back", 4, v9_packet(count=0), v9_packet(count=0, sequence=1, uptime_ms=99_999)),
]  # fmt: skip - a line for each stream

# IPFIX: a template of octets (1) and milliseconds (152, 153), and records of it.
IPFIX_TEMPLATE = one_set(2, u16(300, 3, 1, 4, 152, 8, 153, 8))


def ipfix_record(start_ms: int = 1_799_999_990_000, end_ms: int = 1_800_000_000_999) -> bytes:
    return u32(500) + start_ms.to_bytes(8, "big") + end_ms.to_bytes(8, "big")


IPFIX_DATA = one_set(300, ipfix_record())
IPFIX_OPTIONS = one_set(3, u16(512, 2, 1, 149, 4, 41, 8, 0)) + one_set(512, bytes(24))
"""Options data records count like others (RFC 7011, section 3.1): here there are two."""

IPFIX_TEXT = one_set(2, u16(301, 1, 82, 0xFFFF))


def ipfix_template(*numbers: int) -> bytes:
    return ipfix_message(one_set(2, u16(*numbers)))


IPFIX = [
    stream("truncated", 15, ipfix_message()[:15]),
    stream("message-length", 2, ipfix_message(IPFIX_TEMPLATE, length=40)),
    stream("message-length", 2, ipfix_message(IPFIX_TEMPLATE, bytes(4), length=36)),
    stream("message-length", 36, ipfix_message(IPFIX_TEMPLATE, b"\0\0\0")),
    stream("set-length", 18, ipfix_message(one_set(2, b"", length=2))),
    stream("set-overrun", 18, ipfix_message(one_set(300, ipfix_record(), length=25))),
    stream(
        "set-padding",
        60,
        ipfix_message(IPFIX_TEMPLATE, one_set(300, ipfix_record() + b"\0\0\x01\0")),
    ),
    stream(
        "partial-record", 60, ipfix_message(IPFIX_TEMPLATE, one_set(300, ipfix_record() + bytes(8)))
    ),
    stream("partial-record", 33, ipfix_message(IPFIX_TEXT, one_set(301, b"\x05eth"))),
    stream("partial-record", 32, ipfix_message(IPFIX_TEXT, one_set(301, b"\xff\0"))),
    stream("set-id", 16, ipfix_message(one_set(1, u16(300, 1, 1, 4)))),
    stream("set-empty", 40, ipfix_message(IPFIX_TEMPLATE, one_set(300, b""))),
    stream("template-missing", 16, ipfix_message(IPFIX_DATA)),
    stream("template-id", 20, ipfix_template(255, 1, 1, 4)),
    stream("template-redefined", 20, ipfix_message(IPFIX_TEMPLATE), ipfix_template(300, 1, 1, 4)),
    stream("template-short", 28, ipfix_template(300, 3, 1, 4)),
    stream("template-short", 28, ipfix_template(300, 1, 0x8001, 4)),
    stream("template-withdrawal", 20, ipfix_template(300, 0)),
    stream("scope-count", 24, ipfix_message(one_set(3, u16(512, 2, 0, 10, 4, 82, 4)))),
    stream("scope-count", 24, ipfix_message(one_set(3, u16(512, 1, 2, 10, 4)))),
    stream("template-short", 20, ipfix_message(one_set(3, u16(512, 1)))),
    stream("element-unknown", 20, ipfix_template(300, 1, 499, 4)),
    stream("element-length", 20, ipfix_template(300, 2, 1, 4, 27, 4)),
    stream("element-length", 20, ipfix_template(300, 1, 1, 0xFFFF)),
    stream("element-length", 20, ipfix_template(300, 2, 1, 4, 82, 0)),
    stream("element-length", 20, ipfix_template(300, 1, 8, 0xFFFF)),
    stream("sequence-gap", 0, ipfix_message(IPFIX_TEMPLATE, IPFIX_DATA), ipfix_message(sequence=2)),
    stream("sequence-gap", 0, ipfix_message(IPFIX_OPTIONS), ipfix_message(sequence=3)),
    stream("sequence-late", 0, ipfix_message(IPFIX_OPTIONS), ipfix_message()),
    stream("sequence-late", 0, ipfix_message(IPFIX_TEMPLATE, IPFIX_DATA), ipfix_message()),
    stream("sequence-restart", 0, ipfix_message(sequence=900), ipfix_message()),
    stream(
        "end-before-start",
        40,
        ipfix_message(IPFIX_TEMPLATE, one_set(300, ipfix_record(end_ms=1_799_999_989_999))),
    ),
    stream(
        "end-after-export",
        40,
        ipfix_message(IPFIX_TEMPLATE, one_set(300, ipfix_record(end_ms=1_800_000_001_000))),
    ),
    stream("export-time-back", 4, ipfix_message(), ipfix_message(seconds=1_799_999_999)),
]  # fmt: skip - a line for each stream

# sFlow: a counters sample of interface 7, expanded and compact.
IF_COUNTERS = sflow_record(1, u32(7, *[0] * 21))


def counters_sample(sequence: int = 5, records: bytes = IF_COUNTERS, count: int = 1) -> bytes:
    return sflow_record(4, u32(sequence, 0, 7, count) + records)


SAMPLE = counters_sample()


SAMPLED = u32(1, 64, 4, 4, 0)


def flow_sample(header: bytes, sequence: int = 5) -> bytes:
    """Make an expanded flow sample with a raw packet header."""
    return sflow_record(
        3, u32(sequence, 0, 7, 100, 500, 0, 0, 7, 0, 0, 1) + sflow_record(1, header)
    )


SFLOW = [
    stream("truncated", 8, sflow_datagram()[:11]),
    stream("version", 0, u32(4, 1, 0, 0, 1, 1, 0)),
    stream("agent-address", 4, u32(5, 3, 0, 0, 1, 1, 0)),
    stream("truncated", 148, sflow_datagram(SAMPLE, count=2)),
    stream("datagram-length", 28, sflow_datagram(SAMPLE, count=0)),
    stream("sample-length", 32, sflow_datagram(sflow_record(4, bytes(112), length=116))),
    stream("sample-length", 32, sflow_datagram(sflow_record(4, bytes(112), length=110))),
    stream("sample-length", 148, sflow_datagram(counters_sample(records=IF_COUNTERS + u32(0)))),
    stream("truncated", 36, sflow_datagram(sflow_record(4, b""))),
    stream(
        "record-length", 56, sflow_datagram(counters_sample(records=sflow_record(1, bytes(84))))
    ),
    stream(
        "record-length",
        56,
        sflow_datagram(counters_sample(records=sflow_record(2000, bytes(8), length=12))),
    ),
    stream(
        "record-length",
        56,
        sflow_datagram(counters_sample(records=sflow_record(2000, bytes(8), length=7))),
    ),
    stream("truncated", 148, sflow_datagram(counters_sample(count=2))),
    stream(
        "record-length", 56, sflow_datagram(counters_sample(records=sflow_record(2, bytes(48))))
    ),
    stream("record-length", 108, sflow_datagram(flow_sample(u32(1, 64, 4, 4, 0, 0)))),
    stream("truncated", 104, sflow_datagram(flow_sample(u32(1, 64, 4, 64, 0)))),
    stream("sequence-gap", 0, sflow_datagram(), sflow_datagram(sequence=3)),
    stream(
        "sequence-gap",
        0,
        sflow_datagram(SAMPLE),
        sflow_datagram(counters_sample(sequence=7), sequence=2),
    ),
    stream(
        "sequence-gap",
        0,
        sflow_datagram(flow_sample(SAMPLED)),
        sflow_datagram(flow_sample(SAMPLED, sequence=9), sequence=2),
    ),
    stream(
        "sequence-late", 0, sflow_datagram(SAMPLE), sflow_datagram(counters_sample(), sequence=2)
    ),
    stream("sequence-late", 0, sflow_datagram(), sflow_datagram()),
    stream("sequence-restart", 0, sflow_datagram(sequence=900), sflow_datagram(sequence=4)),
    stream("uptime-back", 0, sflow_datagram(), sflow_datagram(sequence=2, uptime_ms=99_999)),
]  # fmt: skip - a line for each stream

OTHER = [stream("version", 0, b""), stream("version", 0, u16(7, 1) + bytes(68))]

CATALOGUE: dict[str, list[Stream]] = {
    "NetFlow v5": NETFLOW5,
    "NetFlow v9": NETFLOW9,
    "IPFIX": IPFIX,
    "sFlow v5": SFLOW,
    "none of these": OTHER,
}
"""All streams by protocol."""
