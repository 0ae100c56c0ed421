"""The client against a peer that misbehaves: each failure is said in words, none takes long."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from lxml import etree
from tests.unit.cli.conftest import StartPeer
from tests.unit.cli.peer import HELLO, data, reply

from flowexport_mgmt.cli.session.replies import NotReachedError
from flowexport_mgmt.cli.session.unix import UnixSession, default_socket
from flowexport_mgmt.errors import ErrorTag, ManagementError

FAULTS = """<rpc-error><error-type>protocol</error-type><error-tag>access-denied</error-tag>
  <error-severity>error</error-severity><error-path>/a:b</error-path>
  <error-message xml:lang="en">/a:b: not yours</error-message></rpc-error>
  <rpc-error><error-type>application</error-type><error-tag>in-use</error-tag>
  <error-severity>error</error-severity></rpc-error>"""


def test_get_asks_with_a_subtree_filter(start_peer: StartPeer, socket_path: Path) -> None:
    peer = start_peer(lambda _: data('<a xmlns="urn:a"><b>1</b></a>'))
    with UnixSession(socket_path) as client:
        asked_for = etree.Element("{urn:a}a")
        etree.SubElement(asked_for, "{urn:a}b")
        found = client.get([asked_for])
    assert found.findtext("{urn:a}a/{urn:a}b") == "1"
    rpc = etree.fromstring(peer.requests[0])
    base = "{urn:ietf:params:xml:ns:netconf:base:1.0}"
    asked = rpc.find(f"{base}get/{base}filter")
    assert asked is not None
    assert asked.get("type") == "subtree"
    assert asked.find("{urn:a}a/{urn:a}b") is not None


def test_two_requests_in_one_session(start_peer: StartPeer, socket_path: Path) -> None:
    peer = start_peer(lambda _: data(""))
    with UnixSession(socket_path) as client:
        client.get_config("running")
        client.get_config("candidate")
    ids = [etree.fromstring(request).get("message-id") for request in peer.requests]
    assert ids == ["1", "2"]


def test_a_large_reply_in_many_reads(start_peer: StartPeer, socket_path: Path) -> None:
    start_peer(lambda _: data("<x>" + "y" * 3_000_000 + "</x>"))
    with UnixSession(socket_path) as client:
        assert len(client.get_config("running")[0].text or "") == 3_000_000


def test_every_rpc_error_is_reported(start_peer: StartPeer, socket_path: Path) -> None:
    start_peer(lambda _: reply(FAULTS))
    with UnixSession(socket_path) as client, pytest.raises(ManagementError) as caught:
        client.get_config("running")
    assert [fault.tag for fault in caught.value.faults] == [
        ErrorTag.ACCESS_DENIED,
        ErrorTag.IN_USE,
    ]
    assert [str(fault) for fault in caught.value.faults] == ["/a:b: not yours", "in-use"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "the daemon closed the connection"),
        (b"nonsense", "chunk-header"),
        (b"\n#4\n<a><\n##\n", "no XML"),
        (reply("<ok/>"), "no data"),
    ],
)
def test_a_broken_reply(
    start_peer: StartPeer, socket_path: Path, answer: bytes, words: str
) -> None:
    start_peer(lambda _: answer)
    with UnixSession(socket_path) as client, pytest.raises(NotReachedError, match=words):
        client.get_config("running")


def test_a_server_of_another_version(start_peer: StartPeer, socket_path: Path) -> None:
    start_peer(lambda _: b"", HELLO.replace(b"base:1.1", b"base:1.0"))
    with pytest.raises(NotReachedError, match=r"does not speak NETCONF 1\.1"):
        UnixSession(socket_path)


def test_a_silent_server_is_given_up(socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path))
        listener.listen()
        with pytest.raises(NotReachedError, match="no answer in time"):
            UnixSession(socket_path, timeout=0.05)


def test_a_server_that_drips_is_given_up(socket_path: Path) -> None:
    """Each octet comes in time, the message never does."""
    given_up = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while not given_up.wait(0.01):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path))
        listener.listen()
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        with pytest.raises(NotReachedError, match="no answer in time"):
            UnixSession(socket_path, timeout=0.2)
        given_up.set()
        thread.join(5)


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(NotReachedError, match=r"not reached at .*: No such file"):
        UnixSession(tmp_path / "none")


def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    with pytest.raises(NotReachedError, match="path too long"):
        UnixSession(tmp_path / ("x" * 200))


def test_the_daemon_of_this_user_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    own = tmp_path / "flowexport" / "run" / "netconf.sock"
    own.parent.mkdir(parents=True)
    own.touch()
    system = Path("/run/flowexport/netconf.sock")
    assert default_socket() == (system if system.exists() else own)
