"""The network that devices speak in: its sockets, and which source addresses can be had there."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from typing import Final, Protocol

from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.simulator.formats import Endpoint
from flowexport_mgmt.simulator.sender import FleetSender, open_sender
from flowexport_mgmt.simulator.settings import GroupSettings

_MOST_NETWORKS: Final = 64
"""Networks that a group's devices may be spread over; of more, only their addresses are local."""

OpenSocket = Callable[[int, int], socket.socket]
"""Opens a socket of a family and a kind."""


class LocalNetworks(Protocol):
    """Makes networks local to this host, so that datagrams can be sent from their addresses."""

    def want(self, networks: Collection[IPv4Network]) -> Mapping[IPv4Network, OSError]:
        """Have these networks and no others be local; give those that cannot be, and why."""

    def overlaps_link(self, network: IPv4Network) -> bool:
        """Tell whether other hosts of a network are reached without a router."""

    def close(self) -> None:
        """Have none be local any more."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the simulator cannot do by itself.

    ``enter`` opens a socket of a family and a kind in a network namespace, ``make`` makes one of
    that name unless there is one; ``local`` gives what makes networks local where its argument
    opens sockets. All of them raise OSError or LinkError.
    """

    enter: Callable[[str, int, int], socket.socket]
    make: Callable[[str], None]
    local: Callable[[OpenSocket, str], LocalNetworks]


class Network:
    """The network of this host, or the namespace of a name where that can be had.

    ``reason`` says why it is not the namespace that was asked for.
    """

    def __init__(self, name: str | None, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self.name = name
        self.reason: str | None = None
        self._namespace: str | None = None
        if name is not None:
            self._enter(name)
        self._local = surroundings.local(self._open, self._namespace or "")

    def _enter(self, name: str) -> None:
        try:
            self._surroundings.make(name)
            self._surroundings.enter(name, socket.AF_INET, socket.SOCK_DGRAM).close()
        except (OSError, LinkError) as error:
            self.reason = (
                f"network namespace {name} cannot be used: {_words(error, 'CAP_SYS_ADMIN')}"
            )
        else:
            self._namespace = name

    def open(self, endpoint: Endpoint) -> FleetSender:
        """Open what sends to a collector.

        Raises:
            OSError: there is no socket to be had, or the address means nothing here.
        """
        family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
        try:
            link = self._open(family, socket.SOCK_DGRAM)
        except LinkError as error:
            raise OSError(errno.EIO, str(error)) from error
        return open_sender(link, endpoint.address, endpoint.port)

    def provide(self, groups: Collection[GroupSettings]) -> Mapping[str, str]:
        """See to it that groups can send from the addresses of their devices.

        Returns:
            The groups that cannot, by name, and why.
        """
        if self.reason is not None:
            self._local.want(())
            return {group.name: self.reason for group in groups}
        collectors = [
            IPv4Address(group.collector.address)
            for group in groups
            if group.collector is not None and ":" not in group.collector.address
        ]
        networks = {g.name: self._cover(g, collectors) for g in groups if g.first.version == 4}
        missing = self._local.want({each for some in networks.values() for each in some})
        refused = {
            name: f"source addresses cannot be had: {_words(missing[each], 'CAP_NET_ADMIN')}"
            for name, some in networks.items()
            for each in some
            if each in missing
        }
        return {**refused, **_mixed(groups)}

    def close(self) -> None:
        """Leave it as it was found."""
        self._local.close()

    def _open(self, family: int, kind: int) -> socket.socket:
        if self._namespace is None:
            return socket.socket(family, kind)
        return self._surroundings.enter(self._namespace, family, kind)

    def _cover(
        self, group: GroupSettings, collectors: Collection[IPv4Address]
    ) -> Sequence[IPv4Network]:
        """Give the networks of a group as a whole, or else no more than its addresses."""
        first, last = IPv4Address(int(group.first)), IPv4Address(int(group.last))
        exact = list(summarize_address_range(first, last))
        if group.prefix_length is None or group.prefix_length > 32:
            return exact
        size = 1 << 32 - group.prefix_length
        begins = range(int(first) // size * size, int(last) + 1, size)
        if len(begins) > _MOST_NETWORKS:
            return exact
        whole = [IPv4Network((begin, group.prefix_length)) for begin in begins]
        holds_others = any(
            self._local.overlaps_link(network) or any(host in network for host in collectors)
            for network in whole
        )
        return exact if holds_others else whole


def _mixed(groups: Iterable[GroupSettings]) -> dict[str, str]:
    """Find groups whose collector is of another address family than their devices."""
    return {
        group.name: "the collector is not of the address family of the devices"
        for group in groups
        if group.collector is not None
        and (":" in group.collector.address) != (group.first.version == 6)
    }


def _words(error: OSError | LinkError, capability: str) -> str:
    """Say what failed, and which capability permits it."""
    if not isinstance(error, OSError):
        return str(error)
    text = error.strerror or os.strerror(error.errno or errno.EIO)
    return f"{text} (needs {capability})" if isinstance(error, PermissionError) else text
