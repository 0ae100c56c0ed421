"""Connection tracking for tests: tables that are filled by netlink, and namespaces that track."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import numpy as np
from tests.support.namespaces import Namespace, join, namespaces

from flowexport_mgmt.sources.conntrack.sockets import open_netfilter
from flowexport_mgmt.wire.conntrack import Entry, Tuple, encode_creation, learn
from flowexport_mgmt.wire.conntrack import numbers as n

UDP = 17
_FIRST_PORT, _PORTS = 10_000, 50_000
_SEND = 200_000  # octets of requests that are sent together
_SWITCHES = Path("/proc/sys/net/netfilter")


def make_tuple(number: int, *, version: int = 4, protocol: int = UDP) -> Tuple:
    """Make a tuple that no other number below 2^30 gives."""
    base: IPv4Address | IPv6Address = IPv4Address("10.64.0.0")
    far: IPv4Address | IPv6Address = IPv4Address("192.0.2.1")
    if version == 6:
        base, far = IPv6Address("2001:db8:1::"), IPv6Address("2001:db8:2::1")
    high, low = divmod(number, _PORTS)
    return Tuple(
        src=base + high, dst=far, protocol=protocol, src_port=_FIRST_PORT + low, dst_port=53
    )


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


def read_switch(name: str) -> int:
    """Read one of the switches of the namespace that this thread is in."""
    return int((_SWITCHES / f"nf_conntrack_{name}").read_text())


def fill(entries: Iterable[Entry]) -> None:
    """Put entries into the table of the namespace that this thread is in."""
    with open_netfilter() as link:
        for entry in entries:
            link.send(encode_creation(entry))


def fill_many(count: int, *, timeout: int = 3600) -> None:
    """Put the first ``count`` entries of `make_entry` into the table, fast."""
    model = np.frombuffer(encode_creation(make_entry(0, timeout=timeout)), np.uint8)
    numbers = np.arange(count)
    rows = np.tile(model, (count, 1))
    places = learn(model.tobytes()).places
    base = int(make_tuple(0).src)
    for columns, values, kind in (
        (("src", "reply_dst"), base + numbers // _PORTS, ">u4"),
        (("src_port", "reply_dst_port"), _FIRST_PORT + numbers % _PORTS, ">u2"),
    ):
        octets = values.astype(kind).view(np.uint8).reshape(count, -1)
        for column in columns:
            place = places[column][0]
            rows[:, place : place + octets.shape[1]] = octets
    step = _SEND // rows.shape[1]
    with open_netfilter() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * _SEND)
        for begin in range(0, count, step):
            link.send(rows[begin : begin + step].tobytes())


def flush() -> None:
    """Remove all entries of the namespace that this thread is in."""
    header = n.HEADER.pack(n.BODY, n.CT_DELETE, n.NLM_F_REQUEST | n.NLM_F_ACK, 1, 0)
    with open_netfilter() as link:
        link.send(header + n.NFGEN.pack(n.AF_UNSPEC, 0, 0))
        link.recv(4096)


def count_entries() -> int:
    """Count the entries of the namespace that this thread is in."""
    return int((_SWITCHES / "nf_conntrack_count").read_text())


def track(*rules: str) -> None:
    """Have the namespace that this thread is in track what it forwards, but not what it exports.

    ``rules`` are lines of nft(8) that come in front, such as further chains.
    """
    table = "\n".join(
        (
            "add table inet fx",
            "delete table inet fx",
            "table inet fx {",
            *rules,
            "chain exported { type filter hook output priority raw; oifname lo notrack; }",
            "chain received { type filter hook prerouting priority raw; iifname lo notrack; }",
            "chain forwarded { type filter hook forward priority filter; ct state new counter; }",
            "}",
        )
    )
    subprocess.run(["nft", "-f", "-"], input=table, text=True, check=True)


@dataclass(frozen=True)
class Road:
    """A router between two hosts; it tracks what it forwards.

    near has 10.7.0.1, 10.7.0.9 and fd07::1, the router 10.7.0.254 and fd07::ff on ``port0``,
    10.8.0.254 and fd08::ff on ``port1``, and far 10.8.0.2 and fd08::2.
    """

    near: Namespace
    router: Namespace
    far: Namespace


@contextmanager
def road() -> Iterator[Road]:
    """Build a road; nothing is tracked until `track` is called inside the router."""
    with namespaces(3) as (near, router, far):
        join(near, "eth0", router, "port0")
        join(router, "port1", far, "eth0")
        for host, port, net, numbers in (
            (near, "eth0", 7, (1, 9)),
            (router, "port0", 7, (254,)),
            (router, "port1", 8, (254,)),
            (far, "eth0", 8, (2,)),
        ):
            for number in numbers:
                host.ip("address", "add", f"10.{net}.0.{number}/24", "dev", port)
            last = 255 if host is router else numbers[0]
            host.ip("address", "add", f"fd0{net}::{last:x}/64", "dev", port, "nodad")
        for host, net in ((near, 7), (far, 8)):
            host.ip("route", "add", "default", "via", f"10.{net}.0.254")
            host.ip("route", "add", "default", "via", f"fd0{net}::ff")
        with router.inside():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")
            (_SWITCHES / "nf_conntrack_checksum").write_text("0")
        yield Road(near, router, far)
