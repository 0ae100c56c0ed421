"""Routes that make networks local, so that datagrams can be sent from any of their addresses.

What is made is written down first, so that the process after one that died knows it as its own.
"""

from __future__ import annotations

import errno
import logging
import socket
import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

import msgspec

from flowexport_mgmt.sources.netlink_requests import (
    CREATE,
    EXCLUSIVE,
    Requests,
    number,
    pack,
    unpack,
)

_ROUTE: Final = struct.Struct("=BBBBBBBBI")
"""struct rtmsg: family, lengths of destination and source, TOS, table, protocol, scope, type,
flags."""
_NEW_ROUTE, _DELETE_ROUTE, _GET_ROUTE = 24, 25, 26
_DESTINATION, _INTERFACE = 1, 4
_LOCAL_TABLE, _STATIC, _LINK_SCOPE, _HOST_SCOPE = 255, 4, 253, 254
_UNICAST, _LOCAL = 1, 2
_LOOPBACK: Final = 1  # the first interface of every network

OpenSocket = Callable[[int, int], socket.socket]

_logger = logging.getLogger(__name__)


class LocalRoutes:
    """Has networks be local; not safe to use from two threads.

    Args:
        open_socket: opens a socket of a family and a kind in the network that is meant.
        memory: where routes are written down; None for nowhere.
        place: what tells that network from others in what is written down.
    """

    def __init__(self, open_socket: OpenSocket, memory: Path | None, place: str = "") -> None:
        self._requests = Requests(
            socket.NETLINK_ROUTE, lambda: open_socket(socket.AF_NETLINK, socket.SOCK_RAW)
        )
        self._memory = memory
        self._place = place
        self._told = self._recall()
        self._ours = set(self._told.get(place, ()))

    def want(self, networks: Collection[IPv4Network]) -> Mapping[IPv4Network, OSError]:
        """Have these networks and no others be local; give those that cannot be, and why."""
        surplus, missing = self._ours.difference(networks), set(networks) - self._ours
        if not surplus and not missing:
            return {}
        self._write(self._ours | missing)
        for network in surplus:
            self._delete(network)
        failures = {network: error for network in missing if (error := self._add(network))}
        self._write(self._ours)
        return failures

    def overlaps_link(self, network: IPv4Network) -> bool:
        """Tell whether other hosts of a network are reached without a router."""
        try:
            return any(link.overlaps(network) for link in self._links())
        except OSError as error:
            _logger.debug("routes cannot be read: %s", error)
            return True

    def close(self) -> None:
        """Have none of them be local any more."""
        self.want(())
        self._requests.close()

    def _add(self, network: IPv4Network) -> OSError | None:
        """Make a network local, unless it is; one that somebody else made local stays theirs."""
        try:
            self._requests.call(_NEW_ROUTE, _message(network), CREATE | EXCLUSIVE)
        except FileExistsError:
            return None
        except OSError as error:
            return None if self._is_local(network) else error
        self._ours.add(network)
        return None

    def _delete(self, network: IPv4Network) -> None:
        try:
            self._requests.call(_DELETE_ROUTE, _message(network))
        except OSError as error:
            if error.errno != errno.ESRCH:
                _logger.warning("%s stays local: %s", network, error.strerror)
        self._ours.discard(network)

    def _is_local(self, network: IPv4Network) -> bool:
        """Tell whether the first and the last address of a network are local already."""
        try:
            return all(map(self._leads_here, (network[0], network[-1])))
        except OSError:
            return False

    def _leads_here(self, address: object) -> bool:
        body = _ROUTE.pack(socket.AF_INET, 32, 0, 0, 0, 0, 0, 0, 0)
        body += pack(_DESTINATION, socket.inet_aton(str(address)))
        answers = self._requests.call(_GET_ROUTE, body)
        return bool(answers) and _ROUTE.unpack_from(answers[0])[7] == _LOCAL

    def _links(self) -> Iterator[IPv4Network]:
        """Give the networks whose hosts are reached without a router."""
        question = _ROUTE.pack(socket.AF_INET, *(0,) * 8)
        for answer in self._requests.dump(_GET_ROUTE, question):
            family, length, _, _, _, _, scope, kind, _ = _ROUTE.unpack_from(answer)
            attributes = unpack(answer, _ROUTE.size)
            is_link = (family, kind, scope) == (socket.AF_INET, _UNICAST, _LINK_SCOPE)
            if is_link and _DESTINATION in attributes and number(attributes.get(_INTERFACE)) > 1:
                yield IPv4Network((attributes[_DESTINATION], length), strict=False)

    # -- memory

    def _recall(self) -> dict[str, list[IPv4Network]]:
        """Read what processes before this one made, by place."""
        if self._memory is None:
            return {}
        try:
            told = msgspec.json.decode(self._memory.read_bytes(), type=dict[str, list[str]])
            return {place: list(map(IPv4Network, some)) for place, some in told.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, msgspec.DecodeError) as error:
            _logger.warning("%s cannot be used: %s", self._memory, error)
            return {}

    def _write(self, networks: Iterable[IPv4Network]) -> None:
        if self._memory is None:
            return
        self._told[self._place] = sorted(networks)
        told = {place: list(map(str, some)) for place, some in self._told.items() if some}
        try:
            self._memory.write_bytes(msgspec.json.encode(told))
        except OSError as error:
            _logger.warning("%s cannot be written: %s", self._memory, error.strerror)


def _message(network: IPv4Network) -> bytes:
    body = _ROUTE.pack(
        socket.AF_INET, network.prefixlen, 0, 0, _LOCAL_TABLE, _STATIC, _HOST_SCOPE, _LOCAL, 0
    )
    destination = pack(_DESTINATION, network.network_address.packed)
    return body + destination + pack(_INTERFACE, struct.pack("=I", _LOOPBACK))
