"""Peers for the client under test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.cli.peer import HELLO, Peer

StartPeer = Callable[..., Peer]


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    return tmp_path / "netconf.sock"


@pytest.fixture
def start_peer(socket_path: Path) -> Iterator[StartPeer]:
    peers: list[Peer] = []

    def start(answer: Callable[[bytes], bytes], hello: bytes = HELLO) -> Peer:
        peers.append(Peer(socket_path, answer, hello))
        return peers[-1]

    yield start
    for peer in peers:
        peer.close()
