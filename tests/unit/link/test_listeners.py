from __future__ import annotations

import errno
import socket
import stat
from pathlib import Path

import pytest

from flowexport_mgmt.link.broker import TcpEndpoint, UnixEndpoint
from flowexport_mgmt.link.listeners import SUN_PATH_MAX, open_listener


def accepts(listener: socket.socket) -> bool:
    with socket.socket(listener.family) as client:
        client.settimeout(5)
        client.connect(listener.getsockname())
        return True


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_tcp_listens(address: str) -> None:
    with open_listener(TcpEndpoint(address, 0)) as listener:
        assert listener.gettimeout() == 0.0
        assert listener.getsockname()[0] == address
        assert accepts(listener)


def test_both_families_can_share_a_port() -> None:
    with (
        open_listener(TcpEndpoint("0.0.0.0", 0)) as first,
        open_listener(TcpEndpoint("::", first.getsockname()[1])) as second,
    ):
        assert first.getsockname()[1] == second.getsockname()[1]


def test_a_port_can_be_bound_again_at_once() -> None:
    with open_listener(TcpEndpoint("127.0.0.1", 0)) as listener:
        name = listener.getsockname()
        with socket.create_connection(name), listener.dup() as again:
            again.setblocking(True)
            again.accept()[0].close()  # the server's side closes first and stays in TIME_WAIT
    with open_listener(TcpEndpoint("127.0.0.1", name[1])):
        pass


@pytest.mark.parametrize(
    ("endpoint", "number"),
    [
        (TcpEndpoint("192.0.2.77", 0), errno.EADDRNOTAVAIL),
        (TcpEndpoint("not-an-address", 0), errno.EADDRNOTAVAIL),
        (TcpEndpoint("fe80::1%nonesuch", 0), errno.EADDRNOTAVAIL),
        (UnixEndpoint("/" + "x" * SUN_PATH_MAX), errno.ENAMETOOLONG),
        (UnixEndpoint("/nonexistent/socket"), errno.ENOENT),
    ],
)
def test_refusals_carry_the_errno(endpoint: TcpEndpoint | UnixEndpoint, number: int) -> None:
    with pytest.raises(OSError, match=r".") as caught:
        open_listener(endpoint)
    assert caught.value.errno == number


def test_a_taken_port_is_in_use() -> None:
    with open_listener(TcpEndpoint("127.0.0.1", 0)) as listener:
        with pytest.raises(OSError, match="in use") as caught:
            open_listener(TcpEndpoint("127.0.0.1", listener.getsockname()[1]))
        assert caught.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize(("old", "new"), [("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1")])
def test_our_own_door_may_move_between_one_address_and_all(old: str, new: str) -> None:
    with open_listener(TcpEndpoint(old, 0)) as first:
        port = first.getsockname()[1]
        with open_listener(TcpEndpoint(new, port), [first]) as second:
            first.close()
            assert accepts(second)
            with pytest.raises(OSError, match="in use"):
                open_listener(TcpEndpoint(old, port))


def test_somebody_elses_port_stays_theirs() -> None:
    with (
        open_listener(TcpEndpoint("127.0.0.1", 0)) as theirs,
        open_listener(TcpEndpoint("127.0.0.2", theirs.getsockname()[1])) as ours,
        pytest.raises(OSError, match="in use"),
    ):
        open_listener(TcpEndpoint("0.0.0.0", theirs.getsockname()[1]), [ours])


def test_a_unix_socket_is_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with open_listener(UnixEndpoint(str(path))) as listener:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert accepts(listener)


def test_a_stale_unix_socket_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    endpoint = UnixEndpoint(str(tmp_path / "s"))
    open_listener(endpoint).close()
    with open_listener(endpoint) as listener:
        with pytest.raises(OSError, match="in use"):
            open_listener(endpoint)
        assert accepts(listener)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("kept")
    with pytest.raises(FileExistsError):
        open_listener(UnixEndpoint(str(path)))
    assert path.read_text() == "kept"


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        (TcpEndpoint("127.0.0.1", 830), "127.0.0.1:830"),
        (TcpEndpoint("::1", 830), "[::1]:830"),
        (UnixEndpoint("/run/x"), "/run/x"),
    ],
)
def test_endpoints_read_well(endpoint: TcpEndpoint | UnixEndpoint, text: str) -> None:
    assert str(endpoint) == text
