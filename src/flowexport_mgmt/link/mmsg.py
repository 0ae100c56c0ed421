"""Many messages in one system call: sendmmsg(2) and recvmmsg(2) over arrays made once."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

_WORD: Final = np.uintp
VECTOR: Final = np.dtype([("base", _WORD), ("length", _WORD)], align=True)
"""struct iovec"""

HEADER: Final = np.dtype(
    [
        ("name", _WORD),
        ("name_length", np.uint32),
        ("vectors", _WORD),
        ("vector_count", _WORD),
        ("control", _WORD),
        ("control_length", _WORD),
        ("flags", np.int32),
    ],
    align=True,
)
"""struct msghdr"""

MESSAGE: Final = np.dtype([("header", HEADER), ("length", np.uint32)], align=True)
"""struct mmsghdr"""

_NOTHING: Final = frozenset((errno.EAGAIN, errno.EINTR))


class Receiver:
    """Receives many datagrams at a time into slots of equal size; one serves many sockets.

    Args:
        slots: how many datagrams one call takes at most.
        size: octets of a slot; a longer datagram is cut, which shows in ``cut``.
        name_size: octets kept of each sender's address.
        control_size: octets kept of each datagram's control messages.

    Attributes:
        data: uint8, shape (slots, size): what was received.
        names, controls: uint8, shapes (slots, name_size) and (slots, control_size).
        lengths: uint32, shape (slots,): octets of each datagram in ``data``.
    """

    def __init__(
        self,
        slots: int,
        size: int,
        *,
        name_size: int = 0,
        control_size: int = 0,
    ) -> None:
        self.data = np.zeros((slots, size), np.uint8)
        self.names = np.zeros((slots, name_size), np.uint8)
        self.controls = np.zeros((slots, control_size), np.uint8)
        self._vectors = np.zeros(slots, VECTOR)
        self._messages = np.zeros(slots, MESSAGE)
        self.lengths: NDArray[np.uint32] = self._messages["length"]
        self._point()

    @property
    def cut(self) -> NDArray[np.bool_]:
        """Which datagrams were longer than a slot."""
        flags: NDArray[np.int32] = self._messages["header"]["flags"]
        is_cut: NDArray[np.bool_] = flags & socket.MSG_TRUNC != 0
        return is_cut

    def receive(self, link: socket.socket, flags: int = socket.MSG_DONTWAIT) -> int:
        """Take what is there, overwriting what the slots held.

        Other ``flags`` are those of recvmmsg(2): without MSG_DONTWAIT it waits until every slot is
        filled or the socket's time limit has passed.

        Returns:
            How many datagrams came; 0 when there was none.

        Raises:
            OSError: the socket's error, such as ENOBUFS when the kernel had to drop some.
        """
        header = self._messages["header"]
        header["name_length"] = self.names.shape[1]
        header["control_length"] = self.controls.shape[1]
        count = _recvmmsg(
            link.fileno(), self._messages.ctypes.data, len(self._messages), flags, None
        )
        if count >= 0:
            return count
        number = ctypes.get_errno()
        if number in _NOTHING:
            return 0
        raise OSError(number, os.strerror(number))

    def _point(self) -> None:
        """Let the headers point to the slots."""
        header = self._messages["header"]
        self._vectors["base"] = _addresses(self.data)
        self._vectors["length"] = self.data.shape[1]
        header["vectors"] = _addresses(self._vectors)
        header["vector_count"] = 1
        if self.names.shape[1]:
            header["name"] = _addresses(self.names)
        if self.controls.shape[1]:
            header["control"] = _addresses(self.controls)


def _addresses(rows: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> NDArray[np.uintp]:
    """Give the address of each row of an array."""
    return np.arange(len(rows), dtype=_WORD) * rows.strides[0] + rows.ctypes.data


def _load(name: str, *arguments: type) -> Callable[..., int]:
    """Find a function of the C library, which leaves its error in ctypes.get_errno()."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, name):
        return _is_missing
    function = library[name]
    function.argtypes = arguments
    function.restype = ctypes.c_int
    return function


def _is_missing(*_: object) -> int:
    ctypes.set_errno(errno.ENOSYS)
    return -1


sendmmsg: Final = _load("sendmmsg", ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
"""sendmmsg(fd, address of MESSAGEs, count, flags): how many were sent, or -1."""

_recvmmsg: Final = _load(
    "recvmmsg", ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p
)
