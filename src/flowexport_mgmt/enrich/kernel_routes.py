"""All that the kernel chooses routes by: read whole at first, changed as it tells of changes."""

from __future__ import annotations

import errno
import logging
import socket
import struct
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from flowexport_mgmt.enrich.fib_view import FibView
from flowexport_mgmt.enrich.prefixes import Version
from flowexport_mgmt.enrich.route_tables import RouteTables
from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.link.netlink import (
    ATTEMPTS,
    Answer,
    DumpSocket,
    open_monitor,
    open_route,
)
from flowexport_mgmt.observe.log import LimitedLogger
from flowexport_mgmt.wire.rtnetlink import (
    Hop,
    LinkMessage,
    Message,
    NexthopMessage,
    RuleMessage,
    read_link,
    read_nexthop,
    read_route,
    read_routes,
    read_rule,
    split,
)

_LOG = LimitedLogger(logging.getLogger(__name__))

_FAMILIES: Final[Mapping[Version, int]] = {4: 2, 6: 10}
_BODY: Final = 12  # octets of rtmsg and fib_rule_hdr
_FAMILY_AT: Final = 16
"""Where messages name their family: one that the kernel lacks is answered for by all others."""
_NEXTHOP_BODY: Final = 8
_LINK_BODY: Final = struct.pack("=BxHiIIHHI", 0, 0, 0, 0, 0, 8, 29, 8)  # without counters

_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _DELADDR = 20, 21
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_NEWRULE, _DELRULE, _GETRULE = 32, 33, 34
_NEWNEXTHOP, _DELNEXTHOP, _GETNEXTHOP = 104, 105, 106
_REREAD_AFTER: Final = frozenset((_DELADDR, _NEWRULE, _DELRULE, _NEWNEXTHOP, _DELNEXTHOP))
"""What changes routes without a word about each: all are read again after it."""

_GROUPS: Final = (1, 5, 7, 8, 9, 11, 19, 32)
"""RTNLGRP_*: links, and of both families addresses, routes and rules; nexthop objects."""
_MONITOR_BUFFER: Final = 8 << 20

_PATIENCE_S: Final = 60.0
_MOST_OCTETS: Final = 1 << 30
_MOST_DATAGRAMS: Final = 256  # of one look at the monitor
_CHUNK: Final = 1 << 16
_LINK_STATE: Final = 0x1 | 0x40 | 0x10000
"""Flags of a link that routes depend on: up, running, and whether there is a carrier."""


@dataclass(slots=True)
class Heard:
    """What came of one look at the monitor."""

    changes: int = 0
    reread: bool = False
    overrun: bool = False


class KernelRoutes:
    """Reads and follows the routing of the network namespace that the thread is in.

    One thread calls all methods. Raises OSError when the kernel does not answer.
    """

    def __init__(self) -> None:
        self._dumps = DumpSocket(open_route, patience=_PATIENCE_S, most_octets=_MOST_OCTETS)
        self._monitor: socket.socket | None = None
        self._links: dict[int, LinkMessage] = {}
        self._rules: dict[Version, tuple[RuleMessage, ...]] = {4: (), 6: ()}
        self._tables = RouteTables({})

    def open(self) -> socket.socket:
        """Begin to listen to changes; give the socket to be waited on."""
        self._monitor = open_monitor(socket.NETLINK_ROUTE, _GROUPS, _MONITOR_BUFFER)
        return self._monitor

    def close(self) -> None:
        """Release the sockets."""
        self._dumps.close()
        if self._monitor is not None:
            self._monitor.close()
            self._monitor = None

    def count(self, version: Version) -> int:
        """Count the prefixes of a family, of all tables."""
        return self._tables.count(version)

    def read(self) -> None:
        """Read all anew. Changes that come meanwhile are heard later, and do no harm then."""
        links = [read_link(each) for each in self._dump(_GETLINK, _NEWLINK, _LINK_BODY)]
        self._links = {link.ifindex: link for link in links}
        tables = RouteTables(self._read_nexthops())
        for version, family in _FAMILIES.items():
            body = bytes([family]) + bytes(_BODY - 1)
            messages = self._dump(_GETRULE, _NEWRULE, body)
            rules = [read_rule(each) for each in messages if each[_FAMILY_AT] == family]
            self._rules[version] = tuple(
                sorted((rule for rule in rules if rule.plain), key=lambda rule: rule.priority)
            )
            found = self._read_table(_GETROUTE, _NEWROUTE, body)
            begins, ends = _numbers(found.begins), _numbers(found.ends)
            tables.load(version, read_routes(version, found.data, begins, ends))
        self._tables = tables

    def listen(self) -> Heard:
        """Take the changes that have come, a share of them at most."""
        assert self._monitor is not None  # noqa: S101 - open() comes first
        heard = Heard()
        for _ in range(_MOST_DATAGRAMS):
            try:
                data = self._monitor.recv(_CHUNK)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                heard.overrun = heard.reread = True
                continue
            self._take(data, heard)
        return heard

    def view(self) -> FibView:
        """Give all as it is now."""
        vrfs = {link.ifindex: link.vrf_table for link in self._links.values() if link.vrf_table}
        members = {
            link.ifindex: vrfs[link.master] for link in self._links.values() if link.master in vrfs
        }
        stations = {
            int.from_bytes(link.address, "big")
            for link in self._links.values()
            if len(link.address) == 6
        }
        return FibView(
            self._tables.view(),
            dict(self._rules),
            vrfs | members,
            {link.name: link.ifindex for link in self._links.values()},
            np.array(sorted(stations), np.uint64),
        )

    def _take(self, data: bytes, heard: Heard) -> None:
        try:
            for message in split(data):
                self._take_message(message, data[message.begin : message.end], heard)
        except (DecodeError, struct.error) as error:
            _LOG.log(logging.ERROR, "netlink", "rtnetlink: a message is not understood: %s", error)
            heard.reread = True

    def _take_message(self, message: Message, octets: bytes, heard: Heard) -> None:
        if message.kind in (_NEWROUTE, _DELROUTE):
            heard.changes += 1
            self._take_route(message, octets, heard)
        elif message.kind in (_NEWLINK, _DELLINK):
            self._take_link(message.kind, read_link(octets), heard)
        elif message.kind in _REREAD_AFTER:
            heard.changes += 1
            heard.reread = True

    def _take_route(self, message: Message, octets: bytes, heard: Heard) -> None:
        route = read_route(octets)
        if route is None:
            return
        if message.kind == _NEWROUTE:
            self._tables.add(route, message.flags)
        elif not self._tables.remove(route):
            heard.reread = True

    def _take_link(self, kind: int, link: LinkMessage, heard: Heard) -> None:
        """Take a link's change; the kernel says nothing of the routes that go or rest with it."""
        before = self._links.get(link.ifindex)
        if kind == _DELLINK:
            heard.reread |= before is not None
        elif before is None or _concern(before) != _concern(link):
            heard.reread = True
            self._links[link.ifindex] = link

    def _read_nexthops(self) -> dict[int, tuple[Hop, ...]]:
        try:
            messages = self._dump(_GETNEXTHOP, _NEWNEXTHOP, bytes(_NEXTHOP_BODY))
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # before Linux 5.3
                raise
            return {}
        found = [read_nexthop(each) for each in messages]
        single = {each.id: each.hop for each in found if each.hop is not None}
        return {each.id: _resolve(each, single) for each in found}

    def _dump(self, request: int, answer: int, body: bytes) -> list[bytes]:
        found = self._read_table(request, answer, body)
        return [found.data[begin:end] for begin, end in zip(found.begins, found.ends, strict=True)]

    def _read_table(self, request: int, answer: int, body: bytes) -> Answer:
        """Read a table; one that never rests is taken as it was the last time.

        What changed meanwhile is heard afterwards.
        """
        for _ in range(ATTEMPTS):
            found = self._dumps.ask(request, answer, body)
            if found.whole:
                break
        return found


def _concern(link: LinkMessage) -> tuple[object, ...]:
    """Give what routing depends on of a link."""
    return (link.name, link.flags & _LINK_STATE, link.master, link.vrf_table, link.address)


def _resolve(nexthop: NexthopMessage, single: Mapping[int, Hop]) -> tuple[Hop, ...]:
    if nexthop.hop is not None:
        return (nexthop.hop,)
    return tuple(
        single[member]._replace(weight=weight)
        for member, weight in nexthop.group
        if member in single
    )


def _numbers(places: array[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.frombuffer(places, np.int64) if places else np.zeros(0, np.int64)
