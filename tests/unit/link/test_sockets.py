from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.support.namespaces import namespaces

from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.link import control, sockets
from flowexport_mgmt.link.namespaces import identify, is_name, open_in_namespace

Answer = Callable[[socket.socket, sockets.OpenSocket], None]


@contextmanager
def supervisor(answer: Answer) -> Iterator[sockets.SocketClient]:
    """Answer requests from a thread of its own."""
    ours, theirs = control.pair()

    def serve() -> None:
        ours.setblocking(True)
        with suppress(LinkError):
            while (received := control.receive(ours, sockets.requests)) is not None:
                assert isinstance(received[0], sockets.OpenSocket)
                answer(ours, received[0])

    thread = threading.Thread(target=serve)
    thread.start()
    client = sockets.SocketClient(theirs)
    yield client
    client.close()
    thread.join()
    ours.close()


def give(link: socket.socket, request: sockets.OpenSocket) -> None:
    with socket.socket(request.family, request.kind) as made:
        control.send(link, sockets.Opened(request.request), made.fileno())


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_socket_is_passed(family: socket.AddressFamily, kind: socket.SocketKind) -> None:
    asked: list[sockets.OpenSocket] = []

    def answer(link: socket.socket, request: sockets.OpenSocket) -> None:
        asked.append(request)
        give(link, request)

    with supervisor(answer) as client, client.open_in_namespace("red", family, kind) as made:
        assert (made.family, made.type) == (family, kind)
        assert not made.getblocking()
        assert not os.get_inheritable(made.fileno())
    assert asked == [sockets.OpenSocket(1, "red", family, kind)]


def test_a_refusal_keeps_its_errno() -> None:
    def answer(link: socket.socket, request: sockets.OpenSocket) -> None:
        control.send(link, sockets.Opened(request.request, errno.EPERM))

    with supervisor(answer) as client, pytest.raises(PermissionError):
        client.open_in_namespace("red", socket.AF_INET, socket.SOCK_DGRAM)


def test_who_does_not_answer_is_not_waited_for_and_may_answer_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sockets, "PATIENCE_S", 0.05)
    held: list[sockets.OpenSocket] = []

    def answer(link: socket.socket, request: sockets.OpenSocket) -> None:
        if held:
            give(link, held[0])
            give(link, request)
        held.append(request)

    with supervisor(answer) as client:
        begin = time.monotonic()
        with pytest.raises(TimeoutError):
            client.open_in_namespace("red", socket.AF_INET, socket.SOCK_STREAM)
        assert time.monotonic() - begin < 2
        monkeypatch.setattr(sockets, "PATIENCE_S", 5)
        with client.open_in_namespace("red", socket.AF_INET, socket.SOCK_DGRAM) as made:
            assert made.type == socket.SOCK_DGRAM


def test_a_supervisor_that_is_gone() -> None:
    ours, theirs = control.pair()
    ours.close()
    client = sockets.SocketClient(theirs)
    with pytest.raises(LinkError):
        client.open_in_namespace("red", socket.AF_INET, socket.SOCK_DGRAM)
    client.close()


def test_threads_ask_one_after_the_other() -> None:
    def answer(link: socket.socket, request: sockets.OpenSocket) -> None:
        give(link, request)

    with supervisor(answer) as client:
        kinds: list[tuple[int, int]] = []

        def ask(kind: int) -> None:
            for _ in range(20):
                with client.open_in_namespace("red", socket.AF_INET, kind) as made:
                    kinds.append((kind, made.type))

        threads = [
            threading.Thread(target=ask, args=(kind,))
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(kinds) == 40
        assert all(asked == got for asked, got in kinds)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("red", True), ("a.b", True), (".hidden", True), ("x" * 255, True), ("x" * 256, False),
     ("", False), (".", False), ("..", False), ("a/b", False), ("../x", False), ("a\0b", False)],
)  # fmt: skip
def test_names(name: str, *, is_one: bool) -> None:
    assert is_name(name) is is_one


@pytest.mark.parametrize(
    ("family", "kind", "namespace"),
    [
        (socket.AF_UNIX, socket.SOCK_DGRAM, "red"),
        (socket.AF_PACKET, socket.SOCK_RAW, "red"),
        (socket.AF_INET, socket.SOCK_RAW, "red"),
        (socket.AF_INET, socket.SOCK_DGRAM, "../../proc/1/ns/net"),
    ],
)
def test_what_is_not_asked_for(family: int, kind: int, namespace: str) -> None:
    assert not sockets.OpenSocket(1, namespace, family, kind).is_allowed


def test_a_namespace_that_is_not_there() -> None:
    assert identify("fx-none") is None
    with pytest.raises(FileNotFoundError):
        open_in_namespace("fx-none", socket.AF_INET, socket.SOCK_DGRAM)
    with pytest.raises(OSError, match="Invalid argument"):
        open_in_namespace("../x", socket.AF_INET, socket.SOCK_DGRAM)


def own_namespace() -> int:
    return Path("/proc/thread-self/ns/net").stat().st_ino


@pytest.mark.root
def test_a_socket_is_in_the_namespace_and_the_caller_is_not() -> None:
    before = own_namespace()
    with namespaces(1) as (red,):
        red.ip("address", "add", "10.99.0.1/32", "dev", "lo")
        with open_in_namespace(red.name, socket.AF_INET, socket.SOCK_DGRAM) as made:
            made.bind(("10.99.0.1", 0))  # an address that there is nowhere else
        known = identify(red.name)
        assert known is not None
        assert known[1] != before
    assert own_namespace() == before
    assert identify(red.name) is None


@pytest.mark.root
def test_a_file_that_is_no_namespace() -> None:
    with namespaces(1) as (red,):
        place = Path(f"/run/netns/{red.name}-file")
        place.touch()
        try:
            with pytest.raises(OSError, match="Invalid argument"):
                open_in_namespace(place.name, socket.AF_INET, socket.SOCK_DGRAM)
        finally:
            place.unlink()
