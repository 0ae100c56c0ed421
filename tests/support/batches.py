"""Batches of made-up datagrams, and what a receiver finds of them."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterable

from flowexport_mgmt.records import Datagrams


def batch(*payloads: bytes) -> Datagrams:
    """Put datagrams of one record each into a batch."""
    offsets = (0, *itertools.accumulate(map(len, payloads)))
    count = len(payloads)
    return Datagrams(b"".join(payloads), offsets, (1,) * count, (0,) * count)


def numbered(sizes: Iterable[int]) -> Datagrams:
    """Make datagrams of these sizes that begin with their number."""
    return batch(
        *(number.to_bytes(4, "big").ljust(size, b".") for number, size in enumerate(sizes))
    )


def receive_all(peer: socket.socket, seconds: float = 0.2) -> list[bytes]:
    """Take datagrams until none has come for a while."""
    peer.settimeout(seconds)
    got = []
    try:
        while True:
            got.append(peer.recv(70_000))
    except TimeoutError:
        return got
