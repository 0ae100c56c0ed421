"""Connection tracking for tests: tables that are filled by netlink, and namespaces that track."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from flowexport_mgmt.sources.conntrack.sockets import NETLINK_NETFILTER
from flowexport_mgmt.wire.conntrack import Entry, Tuple, encode_creation

UDP = 17
_SEND = 200_000  # octets of requests that are sent together
_SWITCHES = Path("/proc/sys/net/netfilter")


def make_tuple(number: int, *, version: int = 4, protocol: int = UDP) -> Tuple:
    """Make a tuple that no other number below 2^30 gives."""
    base: IPv4Address | IPv6Address = IPv4Address("10.64.0.0")
    far: IPv4Address | IPv6Address = IPv4Address("192.0.2.1")
    if version == 6:
        base, far = IPv6Address("2001:db8:1::"), IPv6Address("2001:db8:2::1")
    high, low = divmod(number, 50_000)
    return Tuple(src=base + high, dst=far, protocol=protocol, src_port=10_000 + low, dst_port=53)


def make_entry(number: int, *, version: int = 4, timeout: int = 3600) -> Entry:
    """Make an entry as one asks the kernel to make it."""
    original = make_tuple(number, version=version)
    return Entry(
        original=original,
        reply=original.invert(),
        id=0,
        status=0xE,
        timeout=timeout,
        counters=None,
        reply_counters=None,
    )


def set_switches(acct: int = 1, timestamp: int = 1, events: int = 1) -> None:
    """Set what conntrack keeps in the namespace that this thread is in."""
    for name, value in (("acct", acct), ("timestamp", timestamp), ("events", events)):
        (_SWITCHES / f"nf_conntrack_{name}").write_text(str(value))


def fill(entries: Iterable[Entry]) -> None:
    """Put entries into the table of the namespace that this thread is in."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * _SEND)
        for requests in _chunks(map(encode_creation, entries)):
            link.send(requests)


def _chunks(messages: Iterable[bytes]) -> Iterator[bytes]:
    chunk = bytearray()
    for message in messages:
        chunk += message
        if len(chunk) > _SEND:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)
