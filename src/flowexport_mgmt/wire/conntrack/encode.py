"""Encoding of ctnetlink messages: what the kernel writes, and what fills its table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.wire.conntrack import numbers as n

_STATES = {n.TCP: n.PROTOINFO_TCP, n.SCTP: n.PROTOINFO_SCTP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuple:
    """One direction of a connection; ``icmp`` holds id, type and code where there are no ports."""

    src: IPv4Address | IPv6Address
    dst: IPv4Address | IPv6Address
    protocol: int
    src_port: int = 0
    dst_port: int = 0
    icmp: tuple[int, int, int] | None = None
    zone: int | None = None

    def invert(self) -> Tuple:
        """Give the tuple of the answers to echo requests, and of ports without translation."""
        answers = {8: 0, 0: 8, 128: 129, 129: 128}
        icmp = None
        if self.icmp is not None:
            icmp = (self.icmp[0], answers.get(self.icmp[1], self.icmp[1]), self.icmp[2])
        return Tuple(
            src=self.dst,
            dst=self.src,
            protocol=self.protocol,
            src_port=self.dst_port,
            dst_port=self.src_port,
            icmp=icmp,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of the table; what is None is left out.

    ``counters`` and ``reply_counters`` hold packets and octets, ``times_ns`` the start and, of
    an entry that ended, the stop. ``state`` is that of TCP or SCTP.
    """

    original: Tuple
    reply: Tuple
    id: int
    status: int | None = 0xE
    timeout: int | None = 60
    mark: int | None = 0
    zone: int | None = None
    counters: tuple[int, int] | None = (0, 0)
    reply_counters: tuple[int, int] | None = (0, 0)
    times_ns: tuple[int, ...] = ()
    state: int | None = None
    narrow: bool = field(default=False)
    """Whether counters have 32 bits, as before Linux 2.6.28."""


def encode_entry(entry: Entry, *, ended: bool = False, sequence: int = 0) -> bytes:
    """Encode an entry as a dump has it, or the event that it ended.

    Raises:
        EncodeError: a number does not fit its attribute.
    """
    kind, flags = (n.CT_DELETE, 0) if ended else (n.CT_NEW, n.NLM_F_MULTI)
    return _message(kind, flags, sequence, entry)


def encode_creation(entry: Entry, sequence: int = 0) -> bytes:
    """Encode the request that puts an entry into the kernel's table, without an answer.

    Raises:
        EncodeError: a number does not fit its attribute.
    """
    flags = n.NLM_F_REQUEST | n.NLM_F_CREATE | n.NLM_F_EXCL
    return _message(n.CT_NEW, flags, sequence, entry)


def encode_removal(original: Tuple, sequence: int = 0) -> bytes:
    """Encode the request that takes a connection out of the kernel's table, without an answer."""
    body = _nest(n.TUPLE_ORIG, _tuple(original))
    return _request(n.CT_DELETE, n.NLM_F_REQUEST, sequence, original, body)


def encode_end(sequence: int, error: int = 0) -> bytes:
    """Encode the end of a dump."""
    body = (-error).to_bytes(4, "little", signed=True)
    return n.HEADER.pack(20, n.NLMSG_DONE, n.NLM_F_MULTI, sequence, 0) + body


def _message(kind: int, flags: int, sequence: int, entry: Entry) -> bytes:
    try:
        body = b"".join(_attributes(entry))
    except OverflowError as error:
        raise EncodeError(f"an entry does not fit its message: {error}") from error
    return _request(kind, flags, sequence, entry.original, body)


def _request(kind: int, flags: int, sequence: int, original: Tuple, body: bytes) -> bytes:
    family = n.AF_INET if original.src.version == 4 else n.AF_INET6
    size = n.BODY + len(body)
    return n.HEADER.pack(size, kind, flags, sequence, 0) + n.NFGEN.pack(family, 0, 0) + body


def _attributes(entry: Entry) -> Iterable[bytes]:
    yield _nest(n.TUPLE_ORIG, _tuple(entry.original))
    yield _nest(n.TUPLE_REPLY, _tuple(entry.reply))
    yield _number(n.ZONE, entry.zone, 2)
    yield _number(n.STATUS, entry.status, 4)
    yield _number(n.MARK, entry.mark, 4)
    yield _number(n.ID, entry.id, 4)
    yield _number(n.TIMEOUT, entry.timeout, 4)
    if entry.state is not None:
        protocol = _STATES[entry.original.protocol]
        state = _nest(protocol, [_number(n.PROTOINFO_STATE, entry.state, 1)])
        yield _nest(n.PROTOINFO, [state])
    yield _counters(n.COUNTERS_ORIG, entry.counters, narrow=entry.narrow)
    yield _counters(n.COUNTERS_REPLY, entry.reply_counters, narrow=entry.narrow)
    if entry.times_ns:
        kinds = (n.TIMESTAMP_START, n.TIMESTAMP_STOP)
        times = zip(kinds, entry.times_ns, strict=False)
        yield _nest(n.TIMESTAMP, [_number(kind, time, 8) for kind, time in times])


def _tuple(one: Tuple) -> Iterable[bytes]:
    version4 = one.src.version == 4
    source, destination = (n.IP_V4_SRC, n.IP_V4_DST) if version4 else (n.IP_V6_SRC, n.IP_V6_DST)
    yield _nest(
        n.TUPLE_IP,
        [_attribute(source, one.src.packed), _attribute(destination, one.dst.packed)],
    )
    yield _nest(n.TUPLE_PROTO, [_number(n.PROTO_NUM, one.protocol, 1), *_ports(one, version4)])
    yield _number(n.TUPLE_ZONE, one.zone, 2)


def _ports(one: Tuple, version4: bool) -> Iterable[bytes]:
    if one.icmp is None:
        yield _number(n.PROTO_SRC_PORT, one.src_port, 2)
        yield _number(n.PROTO_DST_PORT, one.dst_port, 2)
        return
    first = n.PROTO_ICMP_ID if version4 else n.PROTO_ICMPV6_ID
    for place, (value, size) in enumerate(zip(one.icmp, (2, 1, 1), strict=True)):
        yield _number(first + place, value, size)


def _counters(kind: int, counted: tuple[int, int] | None, *, narrow: bool) -> bytes:
    if counted is None:
        return b""
    packets, octets, size = (
        (n.COUNTERS32_PACKETS, n.COUNTERS32_OCTETS, 4)
        if narrow
        else (n.COUNTERS_PACKETS, n.COUNTERS_OCTETS, 8)
    )
    values = [_number(packets, counted[0], size), _number(octets, counted[1], size)]
    return _nest(kind, values)


def _number(kind: int, value: int | None, size: int) -> bytes:
    return b"" if value is None else _attribute(kind, value.to_bytes(size, "big"))


def _nest(kind: int, attributes: Iterable[bytes]) -> bytes:
    return _attribute(kind | n.NESTED, b"".join(attributes))


def _attribute(kind: int, value: bytes) -> bytes:
    length = n.ATTRIBUTE.size + len(value)
    return n.ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)
