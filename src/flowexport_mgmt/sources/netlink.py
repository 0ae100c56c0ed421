"""A dump of all network interfaces from the kernel (rtnetlink(7), RTM_GETLINK)."""

from __future__ import annotations

import struct

from flowexport_mgmt.link.netlink import Dump, DumpSocket, OpenSocket, open_route

_REQUEST = struct.Struct("=BxHiIIHHI")  # ifinfomsg, then the attribute IFLA_EXT_MASK
_RTM_NEWLINK = 16
_RTM_GETLINK = 18
_IFLA_EXT_MASK = 29
_SKIP_STATS = 8  # leaves out the IPv6 counters of each interface; IFLA_STATS64 stays


class LinkSocket:
    """Asks the kernel for all interfaces of the network namespace that the process is in."""

    def __init__(self, open_socket: OpenSocket | None = None) -> None:
        self._dumps = DumpSocket(open_socket or open_route)

    def dump(self) -> Dump:
        """Read every interface, as `DumpSocket.dump` does."""
        body = _REQUEST.pack(0, 0, 0, 0, 0, 8, _IFLA_EXT_MASK, _SKIP_STATS)
        return self._dumps.dump(_RTM_GETLINK, _RTM_NEWLINK, body)

    def close(self) -> None:
        """Release the socket; the next dump opens another."""
        self._dumps.close()
