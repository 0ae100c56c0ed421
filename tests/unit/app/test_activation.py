"""Sockets that a service manager passes."""

from __future__ import annotations

import os
import socket

import pytest

from flowexport_mgmt.app.activation import take_sockets, without
from flowexport_mgmt.link.broker import TcpEndpoint


def environment(count: int, names: str = "", pid: int | None = None) -> dict[str, str]:
    return {
        "LISTEN_PID": str(os.getpid() if pid is None else pid),
        "LISTEN_FDS": str(count),
        "LISTEN_FDNAMES": names,
    }


@pytest.fixture
def passed() -> int:
    """The descriptor of a listening socket, as if it had been inherited."""
    listener = socket.create_server(("127.0.0.1", 0))
    descriptor = listener.detach()
    os.set_inheritable(descriptor, True)
    return descriptor


def test_a_listener_is_taken_with_its_name(passed: int) -> None:
    (given,) = take_sockets(environment(1, "netconf-ssh"), first=passed)
    with given.listener as listener:
        assert given.name == "netconf-ssh"
        assert given.endpoint == TcpEndpoint("127.0.0.1", listener.getsockname()[1])
        assert not listener.get_inheritable()
        assert not listener.getblocking()


def test_what_was_passed_to_another_process_is_left_alone(passed: int) -> None:
    assert take_sockets(environment(1, "x", pid=1), first=passed) == ()
    assert take_sockets({}, first=passed) == ()
    os.close(passed)


def test_what_is_no_listener_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    descriptor = socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach()
    assert take_sockets(environment(1, "udp"), first=descriptor) == ()
    assert "udp" in caplog.text
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert take_sockets(environment(1), first=descriptor) == ()  # no socket at all


def test_children_are_passed_none() -> None:
    assert without({**environment(1), "LANG": "C"}) == {"LANG": "C"}
