"""Where datagrams go and come from: addresses, and the connected socket between them."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.errors import FlowExportError

SocketName = tuple[str, int] | tuple[str, int, int, int]
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_TRANSIENT: Final = frozenset(
    (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ENODEV)
)


class EndpointError(FlowExportError):
    """A socket cannot be had.

    ``leaf`` is the collector's leaf to blame, empty for none. ``transient`` tells that the network
    has to change before it works, and not the configuration.
    """

    def __init__(self, leaf: str, message: str, *, transient: bool = False) -> None:
        self.leaf = leaf
        self.message = message
        self.transient = transient
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The two ends of a collector's datagrams; an empty source lets the kernel choose."""

    address: str
    port: int
    source: str = ""

    def check(self) -> None:
        """Refuse addresses that can never work.

        Raises:
            EndpointError: an address is unspecified or has a zone that means nothing, or the
                families differ.
        """
        address = check_host("address", self.address)
        _check_zone("address", self.address, address)
        if not self.source:
            return
        source = check_host("source-address", self.source)
        _check_zone("source-address", self.source, source)
        if source.version != address.version:
            message = (
                f"source-address {self.source} is IPv{source.version}, "
                f"address {self.address} is IPv{address.version}"
            )
            raise EndpointError("source-address", message)

    def connect(self, dscp: int) -> socket.socket:
        """Open a non-blocking UDP socket between the two ends.

        Raises:
            EndpointError: the addresses cannot work, or not now.
        """
        self.check()
        family, remote = _resolve("address", self.address, self.port)
        link = _open(family)
        try:
            set_dscp(link, dscp)
            if self.source:
                self._bind(link)
            self._connect(link, remote)
        except BaseException:
            link.close()
            raise
        return link

    def _bind(self, link: socket.socket) -> None:
        _, local = _resolve("source-address", self.source, 0)
        try:
            link.bind(local)
        except OSError as error:
            reason = describe_error(error.errno or 0)
            if error.errno == errno.EADDRNOTAVAIL:
                reason = f"not an address of this host ({error_name(error.errno)})"
            message = f"source-address {self.source}: {reason}"
            raise EndpointError("source-address", message) from error

    def _connect(self, link: socket.socket, remote: SocketName) -> None:
        try:
            link.connect(remote)
        except OSError as error:
            message = f"address {self.address}: {describe_error(error.errno or 0)}"
            transient = error.errno in _TRANSIENT
            raise EndpointError("address", message, transient=transient) from error


def read_address(text: str) -> IpAddress:
    """Read an IP address without its zone."""
    return ipaddress.ip_address(text.partition("%")[0])


def check_host(leaf: str, text: str) -> IpAddress:
    """Read the address of a host.

    Raises:
        EndpointError: it is unspecified.
    """
    address = read_address(text)
    if address.is_unspecified:
        raise EndpointError(leaf, f"{leaf} {text} names no host")
    return address


def _check_zone(leaf: str, text: str, address: IpAddress) -> None:
    """Refuse a zone too many and a zone too few (RFC 4007, section 6)."""
    zone = text.partition("%")[2]
    if zone and address.version == 4:
        raise EndpointError(leaf, f"{leaf} {text} has a zone, which IPv4 does not know")
    if not zone and address.version == 6 and address.is_link_local:
        raise EndpointError(leaf, f"{leaf} {text} is link-local and needs a zone: {text}%eth0")


def set_dscp(link: socket.socket, dscp: int) -> None:
    """Mark all datagrams that are sent from now on."""
    if link.family == socket.AF_INET6:
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
    else:
        link.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)


def local_address(link: socket.socket) -> IpAddress:
    """Tell the address that the datagrams of a connected socket come from."""
    return read_address(link.getsockname()[0])


def has_local_address(link: socket.socket) -> bool:
    """Tell whether the host still has the address that a connected socket sends from.

    The kernel does not: over IPv6 it keeps sending from an address that was removed.
    """
    name = link.getsockname()
    try:
        with socket.socket(link.family, socket.SOCK_DGRAM) as probe:
            probe.bind((name[0], 0, *name[2:]))
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL
    return True


def error_name(number: int) -> str:
    """Give the symbol of an error, such as ECONNREFUSED."""
    return errno.errorcode.get(number, f"errno {number}")


def describe_error(number: int) -> str:
    """Word an error of the operating system."""
    return f"{os.strerror(number)} ({error_name(number)})"


def _open(family: int) -> socket.socket:
    try:
        return socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        message = f"no socket: {describe_error(error.errno or 0)}"
        raise EndpointError("", message, transient=True) from error


def _resolve(leaf: str, address: str, port: int) -> tuple[int, SocketName]:
    """Turn a numeric address into what the socket calls take."""
    bare, _, zone = address.partition("%")
    if ":" not in bare:
        return socket.AF_INET, (bare, port)
    try:
        scope = int(zone) if zone.isdecimal() else socket.if_nametoindex(zone) if zone else 0
    except OSError as error:
        raise EndpointError(leaf, f"{leaf} {address}: there is no interface {zone}") from error
    return socket.AF_INET6, (bare, port, 0, scope)
