"""TCP's MD5 signatures on listening sockets (RFC 2385; tcp(7))."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address
from typing import Final

_TCP_MD5SIG: Final = 14
_ADDRESS_SIZE: Final = 128
_KEY: Final = struct.Struct("=128sBBHI80s")


def set_key(listener: socket.socket, address: str, password: str | None) -> None:
    """Want a peer's segments signed with a key, or not any more.

    Raises:
        OSError: the kernel cannot do it.
    """
    peer = ip_address(address.partition("%")[0])
    is_4 = peer.version == 4
    if is_4 is not (listener.family == socket.AF_INET):
        return
    family = struct.pack("=HH", listener.family, 0) + (b"" if is_4 else bytes(4))
    key = (password or "").encode()
    listener.setsockopt(
        socket.IPPROTO_TCP,
        _TCP_MD5SIG,
        _KEY.pack((family + peer.packed).ljust(_ADDRESS_SIZE, b"\0"), 0, 0, len(key), 0, key),
    )
