"""Peers for the client under test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.support.cli_server import Served, served
from tests.support.netconf_server import schema
from tests.unit.cli.peer import CONTENT_ID, HELLO, Peer

from flowexport_mgmt.cli.grammar.fetch import _file, _keep
from flowexport_mgmt.schema.describe import describe
from flowexport_mgmt.schema.grammar import Grammar

StartPeer = Callable[..., Peer]


@pytest.fixture(scope="session")
def grammar() -> Grammar:
    """The grammar of our own modules."""
    return msgspec.structs.replace(describe(schema()), content_id=CONTENT_ID)


@pytest.fixture(autouse=True)
def cache(
    grammar: Grammar, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that holds the grammar of the peers and of our own servers."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    for content_id in (CONTENT_ID, schema().content_id):
        if not _file(content_id).exists():
            _keep(msgspec.structs.replace(grammar, content_id=content_id))


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A real server on a real datastore."""
    with served(tmp_path_factory.mktemp("server")) as server:
        yield server


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
