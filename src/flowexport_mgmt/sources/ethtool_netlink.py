"""Statistics of Ethernet devices as IEEE 802.3 names them (ethtool netlink, ETHTOOL_MSG_STATS_GET).

One dump has those of all interfaces. Linux has it since 5.13; not every driver gives anything.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Callable, Mapping
from typing import Final

from flowexport_mgmt.link.netlink import DumpSocket, open_netlink
from flowexport_mgmt.wire.rtnetlink.messages import iterate_attributes, read_attributes

_HEADER: Final = 16 + 4  # octets of the netlink header and of the generic one
_GENERIC: Final = struct.Struct("=BBxx")  # genlmsghdr: command, version
_ATTRIBUTE: Final = struct.Struct("=HH")
_WORD: Final = struct.Struct("=I")
_COUNTER: Final = struct.Struct("=Q")
_NESTED: Final = 0x8000

_NETLINK_GENERIC: Final = 16
_GENL_ID_CTRL, _CTRL_CMD_GETFAMILY, _CTRL_FAMILY_ID, _CTRL_FAMILY_NAME = 16, 3, 1, 2
_STATS_GET: Final = 32
_STATS_HEADER, _STATS_GROUPS, _STATS_GROUP = 2, 3, 4
_DEVICE_INDEX: Final = 1
_BITSET_NOMASK, _BITSET_SIZE, _BITSET_VALUE = 1, 2, 4
_GROUP_ID, _GROUP_STATISTIC = 2, 4
_ETH_PHY, _ETH_MAC = 0, 1

_COLUMNS: Final[Mapping[int, Mapping[int, str]]] = {
    _ETH_PHY: {0: "symbol_errors"},
    _ETH_MAC: {
        1: "single_collisions",
        2: "multiple_collisions",
        4: "fcs_errors",
        5: "alignment_errors",
        7: "deferred",
        8: "late_collisions",
        9: "excessive_collisions",
        10: "transmit_errors",
        11: "carrier_sense_errors",
        13: "receive_errors",
        21: "frames_too_long",
    },
}
"""Columns of ETHERNET_DTYPE by group and statistic."""

Counts = dict[str, int]


class EthtoolSocket:
    """Asks for the statistics of all interfaces of the network namespace of the process."""

    def __init__(self, open_socket: Callable[[], socket.socket] | None = None) -> None:
        self._dumps = DumpSocket(open_socket or _open)
        self._family = 0

    def read(self) -> dict[int, Counts]:
        """Read what drivers count, by ifindex and column of ETHERNET_DTYPE.

        Raises:
            OSError: the kernel does not know how, or did not answer.
        """
        if not self._family:
            self._family = self._find_family()
        body = _GENERIC.pack(_STATS_GET, 1) + _attribute(_STATS_HEADER | _NESTED, b"") + _GROUPS
        data, spans = self._dumps.dump(self._family, self._family, body)
        devices = (read_device(data[begin + _HEADER : end]) for begin, end in spans)
        return {ifindex: counts for ifindex, counts in devices if counts}

    def close(self) -> None:
        """Release the socket; the next read opens another."""
        self._dumps.close()

    def _find_family(self) -> int:
        body = _GENERIC.pack(_CTRL_CMD_GETFAMILY, 1)
        data, spans = self._dumps.dump(_GENL_ID_CTRL, _GENL_ID_CTRL, body)
        for begin, end in spans:
            found = read_attributes(data[begin + _HEADER : end])
            if found.get(_CTRL_FAMILY_NAME) == b"ethtool\0":
                return int.from_bytes(found.get(_CTRL_FAMILY_ID, b""), sys.byteorder)
        raise OSError(errno.EOPNOTSUPP, "the kernel has no ethtool netlink")


def read_device(message: bytes) -> tuple[int, Counts]:
    """Read ifindex and statistics of one answer, given what follows its headers."""
    ifindex = 0
    counts: Counts = {}
    for kind, begin, end in iterate_attributes(message):
        if kind == _STATS_HEADER:
            index = read_attributes(message[begin:end]).get(_DEVICE_INDEX, bytes(4))
            ifindex = _WORD.unpack_from(index)[0]
        elif kind == _STATS_GROUP:
            counts |= _read_group(message[begin:end])
    return ifindex, counts


def _read_group(group: bytes) -> Counts:
    columns: Mapping[int, str] = {}
    counts: Counts = {}
    for kind, begin, end in iterate_attributes(group):
        if kind == _GROUP_ID:
            columns = _COLUMNS.get(_WORD.unpack_from(group, begin)[0], {})
        elif kind == _GROUP_STATISTIC:
            found = read_attributes(group[begin:end])
            counts |= {
                columns[statistic]: _COUNTER.unpack(value)[0]
                for statistic, value in found.items()
                if statistic in columns and len(value) == _COUNTER.size
            }
    return counts


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value


def _open() -> socket.socket:
    return open_netlink(_NETLINK_GENERIC)


_GROUPS: Final = _attribute(
    _STATS_GROUPS | _NESTED,
    _attribute(_BITSET_NOMASK, b"")
    + _attribute(_BITSET_SIZE, _WORD.pack(len(_COLUMNS)))
    + _attribute(_BITSET_VALUE, _WORD.pack(1 << _ETH_PHY | 1 << _ETH_MAC)),
)
