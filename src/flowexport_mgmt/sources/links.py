"""Interfaces without their counters, and what kind of interface IANA calls them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.sources.sysfs import LinkSettings

LOOPBACK: Final = 24
"""ifType softwareLoopback."""

OPER_UNKNOWN: Final = 0
OPER_UP: Final = 6

_IFF_UP = 0x1
_IFF_LOOPBACK = 0x8
_IFF_RUNNING = 0x40

_ARPHRD_ETHER, _ARPHRD_INFINIBAND, _ARPHRD_PPP, _ARPHRD_NONE = 1, 32, 512, 0xFFFE
_ETHERNET, _PPP, _VIRTUAL, _TUNNEL, _VLAN, _AGGREGATE, _INFINIBAND, _BRIDGE, _OTHER = (
    6, 23, 53, 131, 135, 161, 199, 209, 1,
)  # fmt: skip
_TUNNELS: Final = (
    "gre gretap erspan ip6gre ip6gretap ip6erspan ipip ip6tnl sit vti vti6 xfrm "
    "vxlan geneve bareudp gtp wireguard l2tp amt"
)
_IFTYPE_BY_KIND: Final = {
    "bridge": _BRIDGE,
    "vlan": _VLAN,
    "bond": _AGGREGATE,
    "team": _AGGREGATE,
    "veth": _ETHERNET,  # a wire: as much an Ethernet port as one with a socket
    **dict.fromkeys(_TUNNELS.split(), _TUNNEL),
}
_IFTYPE_BY_DEVICE: Final = {
    _ARPHRD_ETHER: _ETHERNET,
    _ARPHRD_PPP: _PPP,
    _ARPHRD_INFINIBAND: _INFINIBAND,
}


@dataclass(frozen=True, slots=True)
class Link:
    """An interface without its counters.

    ``lower`` and ``master`` are the ifindex of the interface that it stands on (a VLAN's device)
    and of the one that it is part of (a bridge's), 0 for none. ``address`` is the link-layer
    address in hexadecimal, empty where it has none. ``kind`` is rtnetlink's word for the driver of
    a virtual interface, ``device_type`` its ARPHRD number.
    """

    ifindex: int
    name: str
    alias: str
    kind: str
    device_type: int
    flags: int
    operstate: int
    promiscuity: int
    address: str
    lower: int
    master: int
    settings: LinkSettings

    @property
    def loopback(self) -> bool:
        """Whether it carries the host's traffic to itself."""
        return bool(self.flags & _IFF_LOOPBACK)

    @property
    def admin_up(self) -> bool:
        """Whether it is switched on."""
        return bool(self.flags & _IFF_UP)

    @property
    def oper_up(self) -> bool:
        """Whether it can carry packets; many drivers leave that to the running flag."""
        if self.operstate == OPER_UNKNOWN:
            return self.admin_up and bool(self.flags & _IFF_RUNNING)
        return self.operstate == OPER_UP

    @property
    def iftype(self) -> int:
        """The IANA ifType."""
        if self.loopback:
            return LOOPBACK
        if self.kind in _IFTYPE_BY_KIND:
            return _IFTYPE_BY_KIND[self.kind]
        if self.device_type == _ARPHRD_NONE:
            return _TUNNEL
        if self.kind:
            return _VIRTUAL
        return _IFTYPE_BY_DEVICE.get(self.device_type, _OTHER)

    @property
    def is_physical_ethernet(self) -> bool:
        """Whether it may be an Ethernet port with a driver of its own."""
        return self.device_type == _ARPHRD_ETHER and not (self.kind or self.loopback)
