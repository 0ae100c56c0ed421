from __future__ import annotations

import errno
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.interfaces import FakeLink

from flowexport_mgmt.sources.links import LOOPBACK
from flowexport_mgmt.sources.netlink import LinkSocket
from flowexport_mgmt.sources.rtattr import describe, ifindex_at
from flowexport_mgmt.sources.sysfs import UNKNOWN_SETTINGS

Answer = Callable[[int], list[bytes]]


class Kernel:
    """The far end of a socket: answers each request with the next of its answers."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = iter(answers)
        self.requests: list[bytes] = []
        self.opened = 0
        self._threads: list[threading.Thread] = []

    def open(self) -> socket.socket:
        self.opened += 1
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 0, 50_000))
        thread = threading.Thread(target=self._serve, args=(far,), daemon=True)
        thread.start()
        self._threads.append(thread)
        return near

    def _serve(self, far: socket.socket) -> None:
        with far:
            while request := far.recv(4096):
                self.requests.append(request)
                for chunk in next(self._answers)(struct.unpack_from("=I", request, 8)[0]):
                    far.send(chunk)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(5)


@pytest.fixture
def talk() -> Iterator[Callable[..., tuple[LinkSocket, Kernel]]]:
    made: list[tuple[LinkSocket, Kernel]] = []

    def make(*answers: Answer) -> tuple[LinkSocket, Kernel]:
        kernel = Kernel(*answers)
        link = LinkSocket(kernel.open)
        made.append((link, kernel))
        return link, kernel

    yield make
    for link, kernel in made:
        link.close()
        kernel.join()


def done(sequence: int, code: int = 0, flags: int = 2) -> bytes:
    return struct.pack("=IHHIIi", 20, 3, flags, sequence, 0, code)


def link_message(ifindex: int, sequence: int, *, interrupted: bool = False) -> bytes:
    message = bytearray(FakeLink(ifindex, f"port{ifindex}").message(sequence))
    if interrupted:
        struct.pack_into("=H", message, 6, 0x12)
    return bytes(message)


def test_messages_of_all_chunks_are_found(talk: Callable[..., tuple[LinkSocket, Kernel]]) -> None:
    link, kernel = talk(
        lambda s: [link_message(1, s) + link_message(2, s), link_message(3, s) + done(s)]
    )
    data, spans = link.dump()
    assert [ifindex_at(data, begin) for begin, _ in spans] == [1, 2, 3]
    assert [data[b:e] for b, e in spans] == [link_message(i, 1) for i in (1, 2, 3)]
    length, kind, flags = struct.unpack_from("=IHH", kernel.requests[0])
    assert (length, kind, flags) == (len(kernel.requests[0]), 18, 0x301)


def test_an_interrupted_dump_is_repeated(talk: Callable[..., tuple[LinkSocket, Kernel]]) -> None:
    link, kernel = talk(
        lambda s: [link_message(1, s, interrupted=True) + done(s)],
        lambda s: [link_message(1, s) + link_message(2, s) + done(s)],
    )
    assert len(link.dump().spans) == 2
    assert len(kernel.requests) == 2


def test_interfaces_that_never_rest_are_an_error(
    talk: Callable[..., tuple[LinkSocket, Kernel]],
) -> None:
    link, kernel = talk(*[lambda s: [done(s, flags=0x12)]] * 3)
    with pytest.raises(OSError, match="changed during each") as caught:
        link.dump()
    assert caught.value.errno == errno.EAGAIN
    assert len(kernel.requests) == 3


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda s: [done(s, -errno.EPERM)], "not permitted"),
        (lambda s: [struct.pack("=IHHIIi", 36, 2, 0, s, 0, -errno.EBUSY) + bytes(16)], "busy"),
        (lambda s: [struct.pack("=IHHII", 400, 16, 2, s, 0)], "ends outside"),
        (lambda s: [struct.pack("=IHHII", 8, 16, 2, s, 0)], "ends outside"),
        (lambda s: [link_message(1, s)], "timed out"),  # and then nothing
    ],
)
def test_errors_name_themselves_and_the_next_dump_has_a_new_socket(
    talk: Callable[..., tuple[LinkSocket, Kernel]], answer: Answer, message: str
) -> None:
    link, kernel = talk(answer, lambda s: [link_message(4, s) + done(s)])
    with pytest.raises(OSError, match=message):
        link.dump()
    data, spans = link.dump()
    assert [ifindex_at(data, begin) for begin, _ in spans] == [4]
    assert kernel.opened == 2


def test_answers_to_other_questions_are_passed_over(
    talk: Callable[..., tuple[LinkSocket, Kernel]],
) -> None:
    link, _ = talk(
        lambda s: [link_message(9, s + 5), done(s + 5, -errno.EPERM), link_message(1, s) + done(s)]
    )
    data, spans = link.dump()
    assert [ifindex_at(data, begin) for begin, _ in spans] == [1]


def test_this_kernel_tells_all_interfaces() -> None:
    before = interfaces_of_sysfs()
    link = LinkSocket()
    data, spans = link.dump()
    link.close()
    links = [describe(data[begin:end], UNKNOWN_SETTINGS) for begin, end in spans]
    assert {found.name for found in links} >= before & interfaces_of_sysfs()
    assert [found.name for found in links if found.iftype == LOOPBACK] == ["lo"]


def interfaces_of_sysfs() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir() if path.is_dir()}
