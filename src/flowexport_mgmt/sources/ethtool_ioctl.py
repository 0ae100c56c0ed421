"""Statistics of a device by the names that its driver gives them (SIOCETHTOOL, ETHTOOL_GSTATS).

The only source for drivers that do not give the statistics of ethtool netlink.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SIOCETHTOOL: Final = 0x8946
_GSTRINGS, _GSTATS, _GSSET_INFO = 0x1B, 0x1D, 0x37
_SET_STATS: Final = 1
_NAME_SIZE: Final = 32
_SLACK: Final = 1024
"""Entries that a device may gain between being asked how many it has and giving them."""

_SET_INFO: Final = struct.Struct("=IIQI")  # command, reserved, mask of sets, length
_STRINGS: Final = struct.Struct("=III")  # command, set, count
_STATS: Final = struct.Struct("=II")  # command, count
_MAX_NAME: Final = 15


class EthtoolDevices:
    """Asks drivers; any user may."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def read_names(self, device: str) -> list[str]:
        """Read the names of a device's statistics; OSError when its driver has none."""
        count = self._count(device)
        buffer = _buffer(_STRINGS.size + (count + _SLACK) * _NAME_SIZE)
        _STRINGS.pack_into(buffer, 0, _GSTRINGS, _SET_STATS, count)
        self._ask(device, buffer)
        count = min(_STRINGS.unpack_from(buffer)[2], count + _SLACK)
        octets = buffer[_STRINGS.size :].tobytes()
        names = (octets[at * _NAME_SIZE : (at + 1) * _NAME_SIZE] for at in range(count))
        return [name.split(b"\0")[0].decode("ascii", "replace").strip() for name in names]

    def read_values(self, device: str) -> NDArray[np.uint64]:
        """Read a device's statistics, in the order of their names."""
        count = self._count(device)
        buffer = _buffer(_STATS.size + (count + _SLACK) * 8)
        _STATS.pack_into(buffer, 0, _GSTATS, count)
        self._ask(device, buffer)
        count = min(_STATS.unpack_from(buffer)[1], count + _SLACK)
        return np.frombuffer(buffer, np.uint64, count, offset=_STATS.size)

    def close(self) -> None:
        """Release the socket; the next question opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _count(self, device: str) -> int:
        buffer = _buffer(_SET_INFO.size)
        _SET_INFO.pack_into(buffer, 0, _GSSET_INFO, 0, 1 << _SET_STATS, 0)
        self._ask(device, buffer)
        _, _, sets, count = _SET_INFO.unpack_from(buffer)
        return count if sets else 0

    def _ask(self, device: str, buffer: array.array[int]) -> None:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        name = device.encode()[:_MAX_NAME]
        request = struct.pack("16sP8x", name, buffer.buffer_info()[0])  # struct ifreq
        fcntl.ioctl(self._socket, _SIOCETHTOOL, request)


def _buffer(size: int) -> array.array[int]:
    return array.array("B", bytes(size))
