"""Where datagrams go and come from: addresses, and the connected socket between them."""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import os
import socket
import struct
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.export.failure import EndpointError, describe_error, error_name
from flowexport_mgmt.export.network import OWN_NETWORK, Network

SocketName = tuple[str, int] | tuple[str, int, int, int]
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_TRANSIENT: Final = frozenset(
    (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ENODEV)
)
_NOT_LOCAL: Final = frozenset(
    (errno.EADDRNOTAVAIL, errno.EINVAL, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENODEV)
)
_IP_PKTINFO: Final = 8
_MSG_PROBE: Final = 0x10
_SIOCGIFINDEX: Final = 0x8933
_IFNAMSIZ: Final = 16
_MAX_INDEX: Final = 0x7FFFFFFF  # of an interface; a socket takes longer numbers modulo 2^32


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

    def connect(self, dscp: int, network: Network = OWN_NETWORK) -> socket.socket:
        """Open a non-blocking UDP socket between the two ends.

        Raises:
            EndpointError: the addresses cannot work, or not now.
        """
        link, remote = self.open(socket.SOCK_DGRAM, dscp, network)
        try:
            self._connect(link, remote)
        except BaseException:
            link.close()
            raise
        return link

    def open(self, kind: int, dscp: int, network: Network) -> tuple[socket.socket, SocketName]:
        """Open a non-blocking socket at this end, and name the other one.

        Raises:
            EndpointError: the addresses cannot work, or not now.
        """
        self.check()
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        link = network.open(family, kind)
        try:
            remote = _resolve(link, "address", self.address, self.port)
            set_dscp(link, dscp)
            if self.source:
                self._bind(link)
        except BaseException:
            link.close()
            raise
        return link, remote

    def _bind(self, link: socket.socket) -> None:
        local = _resolve(link, "source-address", self.source, 0)
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
    """Tell whether its network still has the address that a connected UDP socket sends from.

    The kernel does not: over IPv6 it keeps sending from an address that was removed. So it is asked
    for the way from that address to itself, which it finds as long as the address is there; nothing
    is sent.
    """
    name = link.getsockname()
    address = name[0].partition("%")[0]
    octets = socket.inet_pton(link.family, address)
    if link.family == socket.AF_INET6:
        info = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, octets + struct.pack("=I", name[3]))
    else:
        info = (socket.IPPROTO_IP, _IP_PKTINFO, struct.pack("=I4s4x", 0, octets))
    try:
        link.sendmsg((), (info,), _MSG_PROBE | socket.MSG_CONFIRM, (address, 1, *name[2:]))
    except OSError as error:
        return error.errno not in _NOT_LOCAL
    return True


def _resolve(link: socket.socket, leaf: str, address: str, port: int) -> SocketName:
    """Turn a numeric address into what the calls of a socket take."""
    bare, _, zone = address.partition("%")
    if ":" not in bare:
        return bare, port
    if not zone or (zone.isdecimal() and int(zone) <= _MAX_INDEX):
        return bare, port, 0, int(zone or 0)
    try:
        return bare, port, 0, _find_interface(link, zone)
    except OSError as error:
        raise EndpointError(leaf, f"{leaf} {address}: there is no interface {zone}") from error


def _find_interface(link: socket.socket, name: str) -> int:
    """Find the index of an interface in a socket's network, which may not be this process's."""
    encoded = os.fsencode(name)
    if len(encoded) >= _IFNAMSIZ:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
    request = struct.pack(f"{_IFNAMSIZ}s24x", encoded)
    answer = fcntl.ioctl(link, _SIOCGIFINDEX, request)
    index: int = struct.unpack_from("=i", answer, _IFNAMSIZ)[0]
    return index
