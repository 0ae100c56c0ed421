"""What has to be known of an interface before it can be sampled (rtnetlink(7))."""

from __future__ import annotations

import errno
import socket
import struct
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.sources.netlink_requests import Requests, number, pack, text, unpack

LINK_GROUP: Final = 1
"""RTNLGRP_LINK: the multicast group in which the kernel tells of interfaces."""

_GETLINK: Final = 18
_INFO = struct.Struct("=BxHiII")  # ifinfomsg: family, device type, index, flags, change
_NAME, _LINKINFO, _EXT_MASK = 3, 18, 29
_SKIP_STATS = struct.pack("=I", 8)
_KIND, _DATA = 1, 2
_VLAN_ID: Final = 1
_MISSING: Final = frozenset((errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ERANGE))
"""How the kernel says that there is no such interface; the last where no name is that long."""


@dataclass(frozen=True, slots=True)
class Port:
    """An interface: its ARPHRD number, and the id of the VLAN that it is, 0 for none."""

    ifindex: int
    device_type: int
    vlan: int


class Ports:
    """Looks interfaces up by name."""

    def __init__(self) -> None:
        self._requests = Requests(socket.NETLINK_ROUTE)

    def find(self, name: str) -> Port | None:
        """Look an interface up; None where there is none of that name.

        Raises:
            OSError: the kernel did not answer.
        """
        body = _INFO.pack(0, 0, 0, 0, 0) + pack(_NAME, name.encode() + b"\0")
        try:
            answers = self._requests.call(_GETLINK, body + pack(_EXT_MASK, _SKIP_STATS))
        except OSError as error:
            if error.errno in _MISSING:
                return None
            raise
        return _read(answers[0]) if answers else None

    def close(self) -> None:
        """Release the socket."""
        self._requests.close()


def _read(body: bytes) -> Port:
    _, device_type, ifindex, _, _ = _INFO.unpack_from(body)
    info = unpack(unpack(body, _INFO.size).get(_LINKINFO, b""))
    is_vlan = text(info.get(_KIND)) == "vlan"
    vlan = number(unpack(info.get(_DATA, b"")).get(_VLAN_ID)) if is_vlan else 0
    return Port(ifindex, device_type, vlan)
