"""The control socket between the supervisor and a child: one SEQPACKET message each way at a time.

::

    supervisor -> child                      child -> supervisor
    NewLink(exporter_restarts) + descriptor  Ready()
    NewRibLink(rib_restarts) + descriptor    WantRib(wanted)
    NewTables() [+ descriptor]
    Bound(request, error) [+ descriptor]     Listen(request, endpoint), Release(endpoint)
    SetLogging(level, format)                SetLogging(level, format)
    Reload()                                 Reloaded(), once per Reload
    Stop()                                   LinkLost(stuck)
                                             Beat(), Status(text)

This module is the whole of the supervisor's share; `link.control_client` is the child's.
"""

from __future__ import annotations

import os
import socket
import stat
from typing import TypeVar

import msgspec

from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.link.broker import Endpoint

_MAX_MESSAGE = 4096


class _Message(msgspec.Struct, frozen=True, tag=True):
    """A message; its class name is its type on the wire."""


class NewLink(_Message, frozen=True):
    """A fresh end of the link to the other child rides along; it replaces the one before."""

    exporter_restarts: int


class NewRibLink(_Message, frozen=True):
    """A fresh end of the link between the manager and the rib process rides along."""

    rib_restarts: int


class NewTables(_Message, frozen=True):
    """The look-up tables of a new rib process ride along; without any there is no such process."""


class Bound(_Message, frozen=True):
    """The answer to Listen: the listening socket rides along, or ``error`` is an errno."""

    request: int
    error: int = 0


class Reload(_Message, frozen=True):
    """Read keys again and prepare every component with the running configuration."""


class Stop(_Message, frozen=True):
    """End in order, within two seconds."""


class SetLogging(_Message, frozen=True):
    """The level and format of the logs of every process."""

    level: str
    format: str


class Ready(_Message, frozen=True):
    """The child does its work."""


class Reloaded(_Message, frozen=True):
    """The child has done what Reload asked."""


class LinkLost(_Message, frozen=True):
    """The link closed, or ``stuck``: its other end did not answer and should be started again.

    It is the link to the exporter, or with ``rib`` the one to the rib process.
    """

    stuck: bool
    rib: bool = False


class WantRib(_Message, frozen=True):
    """Whether there has to be a rib process."""

    wanted: bool


class Beat(_Message, frozen=True):
    """The data plane goes on: every thread of its pipeline has done so lately."""


class Status(_Message, frozen=True):
    """How the daemon fares, in one line for whoever asks the service manager."""

    text: str


class Listen(_Message, frozen=True):
    """Bind and listen, or hand out again what is held."""

    request: int
    endpoint: Endpoint


class Release(_Message, frozen=True):
    """The child no longer listens there."""

    endpoint: Endpoint


ToChild = NewLink | NewRibLink | NewTables | Bound | Reload | Stop | SetLogging
FromChild = Ready | Reloaded | LinkLost | WantRib | Listen | Release | SetLogging | Beat | Status

_encode = msgspec.msgpack.Encoder().encode
from_child: msgspec.msgpack.Decoder[FromChild] = msgspec.msgpack.Decoder(FromChild)
to_child: msgspec.msgpack.Decoder[ToChild] = msgspec.msgpack.Decoder(ToChild)

M = TypeVar("M")


class PassedFile:
    """A descriptor of something else than a socket that came with a message."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def detach(self) -> int:
        """Give the descriptor away."""
        descriptor, self._descriptor = self._descriptor, -1
        return descriptor

    def close(self) -> None:
        """Close it, if it was not given away."""
        if self._descriptor >= 0:
            os.close(self.detach())


Passed = socket.socket | PassedFile
"""What rides along with a message."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Make the two ends of a control socket, both non-blocking and not inheritable."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    return ends


def send(control: socket.socket, message: msgspec.Struct, descriptor: int = -1) -> None:
    """Send a message, with a descriptor that the receiver gets a copy of.

    Raises:
        LinkError: the peer is gone, or has not read for so long that the socket is full.
    """
    try:
        if descriptor >= 0:
            socket.send_fds(control, [_encode(message)], [descriptor])
        else:
            control.send(_encode(message))
    except OSError as error:
        raise LinkError(f"the control socket failed: {error.strerror}") from error


def receive(
    control: socket.socket, decoder: msgspec.msgpack.Decoder[M]
) -> tuple[M, Passed | None] | None:
    """Take one message and what rode along; None when none has come yet.

    Raises:
        LinkError: the peer closed its end or sent what the decoder refuses.
    """
    try:
        data, descriptors, flags, _ = socket.recv_fds(control, _MAX_MESSAGE, 1)
    except BlockingIOError:
        return None
    except OSError as error:
        raise LinkError(f"the control socket failed: {error.strerror}") from error
    passed = _adopt(descriptors[0]) if descriptors else None
    try:
        message = _decode(data, flags, decoder)
    except LinkError:
        if passed is not None:
            passed.close()
        raise
    return message, passed


def _adopt(descriptor: int) -> Passed:
    os.set_inheritable(descriptor, False)  # recv_fds does not pass MSG_CMSG_CLOEXEC on
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return PassedFile(descriptor)
    adopted = socket.socket(fileno=descriptor)
    adopted.setblocking(False)
    return adopted


def _decode(data: bytes, flags: int, decoder: msgspec.msgpack.Decoder[M]) -> M:
    if not data:
        raise LinkError("the control socket was closed")
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        raise LinkError("a control message is too long")
    try:
        return decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise LinkError(f"a strange control message: {error}") from error
