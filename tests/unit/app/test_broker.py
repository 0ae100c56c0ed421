from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowexport_mgmt.app.activation import Given
from flowexport_mgmt.app.broker import SocketBroker
from flowexport_mgmt.link.broker import Endpoint, TcpEndpoint, UnixEndpoint


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[SocketBroker]:
    broker = SocketBroker(tmp_path / "netconf.sock")
    yield broker
    broker.close()


@pytest.fixture
def endpoint() -> TcpEndpoint:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return TcpEndpoint("127.0.0.1", listener.getsockname()[1])


def refuses(endpoint: TcpEndpoint) -> bool:
    with socket.socket() as client:
        return client.connect_ex((endpoint.address, endpoint.port)) == errno.ECONNREFUSED


def test_one_endpoint_is_one_socket_until_the_last_release(
    broker: SocketBroker, endpoint: TcpEndpoint
) -> None:
    first, second = broker.listen(endpoint), broker.listen(endpoint)
    assert first is second
    broker.release(endpoint)
    assert not refuses(endpoint)
    broker.release(endpoint)
    assert refuses(endpoint)


def test_a_child_that_comes_back_finds_its_socket_and_the_rest_is_closed(
    broker: SocketBroker, endpoint: TcpEndpoint, tmp_path: Path
) -> None:
    unix = UnixEndpoint(str(tmp_path / "netconf.sock"))
    kept = broker.listen(endpoint)
    broker.listen(unix)
    broker.child_gone()
    assert not refuses(endpoint)
    assert broker.listen(endpoint) is kept
    broker.child_ready()
    assert not refuses(endpoint)
    assert not (tmp_path / "netconf.sock").exists()
    broker.release(endpoint)
    assert refuses(endpoint)


def test_a_release_too_many_is_said_and_harmless(
    broker: SocketBroker, endpoint: TcpEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    broker.listen(endpoint)
    broker.child_gone()
    with caplog.at_level(logging.WARNING):
        broker.release(endpoint)
    assert "released without being held" in caplog.text
    assert not refuses(endpoint)


@pytest.mark.parametrize(
    "asked",
    [
        TcpEndpoint("127.0.0.1", 0),
        TcpEndpoint("127.0.0.1", 70000),
        TcpEndpoint("127.0.0.1", -1),
        UnixEndpoint("/tmp/other.sock"),
    ],
)
def test_what_no_child_may_ask_for(broker: SocketBroker, asked: Endpoint) -> None:
    with pytest.raises(PermissionError):
        broker.listen(asked)


def test_a_refused_endpoint_is_not_held(broker: SocketBroker, endpoint: TcpEndpoint) -> None:
    taken = socket.create_server((endpoint.address, endpoint.port))
    with taken, pytest.raises(OSError, match="in use"):
        broker.listen(endpoint)
    assert broker.listen(endpoint)


def test_what_a_child_can_hold_is_bounded(
    broker: SocketBroker, endpoint: TcpEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowexport_mgmt.app.broker._MAX_SOCKETS", 1)
    broker.listen(endpoint)
    with pytest.raises(OSError, match="Too many open files"):
        broker.listen(TcpEndpoint("::1", endpoint.port))


def test_a_passed_socket_serves_its_port_and_is_never_closed(
    broker: SocketBroker, caplog: pytest.LogCaptureFixture
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    endpoint = TcpEndpoint("127.0.0.1", listener.getsockname()[1])
    broker.adopt([Given("netconf-ssh", endpoint, listener)])
    assert broker.listen(endpoint) is listener
    broker.release(endpoint)
    broker.child_gone()
    broker.child_ready()
    assert f"no door is configured for {endpoint} (netconf-ssh)" in caplog.text
    assert not refuses(endpoint)
    assert broker.listen(endpoint) is listener


@pytest.mark.root
def test_the_unix_socket_belongs_to_the_service_user(tmp_path: Path) -> None:
    path = tmp_path / "netconf.sock"
    broker = SocketBroker(path, (65534, 65534))
    broker.listen(UnixEndpoint(str(path)))
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)
    broker.close()
