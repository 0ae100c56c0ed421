"""One interface sampled by a packet socket (packet(7))."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.link.mmsg import Receiver
from flowexport_mgmt.records.samples import (
    HEADER_ETHERNET,
    HEADER_IPV4,
    HEADER_IPV6,
    SampleBatch,
)
from flowexport_mgmt.sources.gathering import is_filling
from flowexport_mgmt.sources.packet.program import attach, sampling_program

OpenSocket = Callable[[], socket.socket]

_SOL_PACKET: Final = 263
_PACKET_STATISTICS: Final = 6
_PACKET_AUXDATA: Final = 8
_ETH_P_ALL: Final = 3
_SO_RCVBUFFORCE: Final = 33
_BUFFER: Final = 4 << 20
"""Octets of samples that may wait in the kernel."""

_SLOTS: Final = 512
_MAX_LENGTH: Final = 1500
_VLAN_VALID: Final = 0x10
_VLAN_TAG: Final = 4
_OUTGOING: Final = 4

_NAME: Final = np.dtype(  # struct sockaddr_ll
    [
        ("family", np.uint16),
        ("protocol", ">u2"),
        ("ifindex", np.int32),
        ("hardware", np.uint16),
        ("kind", np.uint8),
        ("address_length", np.uint8),
        ("address", "V8"),
    ]
)
_CONTROL: Final = np.dtype(  # struct cmsghdr, struct tpacket_auxdata, padding
    [
        ("length", np.uint64),
        ("level", np.int32),
        ("kind", np.int32),
        ("status", np.uint32),
        ("original", np.uint32),
        ("kept", np.uint32),
        ("mac", np.uint16),
        ("network", np.uint16),
        ("tag", np.uint16),
        ("tag_protocol", np.uint16),
        ("padding", np.uint32),
    ]
)
_WITH_ETHERNET: Final = np.array([1, 772], np.uint16)  # ARPHRD_ETHER, ARPHRD_LOOPBACK
_IPV4: Final = 0x0800
_IPV6: Final = 0x86DD
_NOTHING: Final = sampling_program(1, 0, ingress=False, egress=False)
"""The program that takes no packet."""


def make_receiver() -> Receiver:
    """Make a receiver that suits captures; one is enough for all that a thread reads."""
    return Receiver(_SLOTS, _MAX_LENGTH, name_size=_NAME.itemsize, control_size=_CONTROL.itemsize)


def open_packet_socket() -> socket.socket:
    """Open a packet socket that receives nothing yet; needs CAP_NET_RAW."""
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)


@dataclass(frozen=True, slots=True)
class Setting:
    """What is sampled: one packet in ``rate``, ``length`` octets of it, in which directions."""

    rate: int
    length: int
    ingress: bool = True
    egress: bool = False


@dataclass(frozen=True, slots=True)
class Spot:
    """An interface that is sampled; ``epoch`` tells one life of it from another.

    ``vlan`` is the id of the VLAN that the interface is, 0 for none.
    """

    ifindex: int
    epoch: int = 0
    vlan: int = 0


@dataclass(slots=True)
class CaptureCounters:
    """What a capture took, and what it could not.

    ``drops`` are packets that were chosen and found no room; ``pool`` is how many packets the
    choices stand for; ``foreign`` are packets of a link layer that sFlow has no name for.
    """

    samples: int = 0
    drops: int = 0
    pool: int = 0
    foreign: int = 0


class Capture:
    """Takes samples on one interface; not safe to use from two threads.

    Raises:
        OSError: there may be no packet socket (EPERM), or no such interface (ENODEV, ENXIO).
    """

    def __init__(
        self, spot: Spot, setting: Setting, open_socket: OpenSocket = open_packet_socket
    ) -> None:
        self.spot = spot
        self.setting = setting
        self.counters = CaptureCounters()
        self._open = open_socket
        self._socket = self._make(_program(setting))

    def fileno(self) -> int:
        """Give the descriptor to wait on; `retune` changes it."""
        return self._socket.fileno()

    def retune(self, setting: Setting, receiver: Receiver, time_ns: int) -> list[SampleBatch]:
        """Sample by another setting from now on.

        Returns:
            What still waited, which was taken by the setting before.

        Raises:
            OSError: the kernel refused, and everything is as it was.
        """
        if setting == self.setting:
            return []
        made = self._make(_NOTHING)
        attach(self._socket, _NOTHING)
        attach(made, _program(setting))
        waiting = []
        while batch := self.read(receiver, time_ns):
            waiting.append(batch)
        self._socket.close()
        self._socket, self.setting = made, setting
        return waiting

    def read(self, receiver: Receiver, time_ns: int) -> SampleBatch | None:
        """Take the samples that wait, at most as many as the receiver has slots.

        The batch has a copy of the packets, so that the receiver can be used again.

        Raises:
            OSError: the interface is gone or down (ENETDOWN, ENODEV, ENXIO).
        """
        while count := receiver.receive(self._socket):
            self._count_drops()
            names = receiver.names[:count].view(_NAME)[:, 0]
            protocol = _header_protocol(names["hardware"], names["protocol"].astype(np.uint16))
            known = np.flatnonzero(protocol)
            self.counters.foreign += count - len(known)
            if len(known):
                return self._batch(receiver, known, protocol[known], time_ns)
        return None

    def is_filling(self) -> bool:
        """Whether samples that wait have a good part of the room for them."""
        return is_filling(self._socket)

    def is_at(self, name: str, ifindex: int) -> bool:
        """Whether it still samples this interface, and that has not gone, nor another name."""
        return self.spot.ifindex == ifindex and self._socket.getsockname()[0] == name

    def close(self) -> None:
        """Stop sampling."""
        self._socket.close()

    def _make(self, program: bytes) -> socket.socket:
        """Open a socket and set it up completely before it is bound, so that nothing is missed."""
        made = self._open()
        try:
            attach(made, program)
            made.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
            _enlarge(made)
            made.setblocking(False)
            _bind(made, self.spot.ifindex)
        except OSError:
            made.close()
            raise
        return made

    def _count_drops(self) -> None:
        """Add what the kernel dropped since it was asked before; asking sets it to zero."""
        answer = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        _, drops = struct.unpack("=II", answer)
        self.counters.drops += drops
        self.counters.pool += drops * self.setting.rate

    def _batch(
        self,
        receiver: Receiver,
        rows: NDArray[np.intp],
        protocol: NDArray[np.uint32],
        time_ns: int,
    ) -> SampleBatch:
        count = len(rows)
        control = receiver.controls.view(_CONTROL)[rows, 0]
        outgoing = receiver.names.view(_NAME)[rows, 0]["kind"] == _OUTGOING
        stripped = (control["status"] & _VLAN_VALID != 0) * np.uint32(_VLAN_TAG)
        lengths = receiver.lengths[rows].astype(np.int64)
        width = int(lengths.max())
        tag = np.where(stripped > 0, control["tag"], self.spot.vlan).astype(np.uint32)
        tags = _read_tags(tag, outgoing)
        here = np.full(count, self.spot.ifindex, np.uint32)
        return SampleBatch(
            source=here,
            rate=np.full(count, self.setting.rate, np.uint32),
            pool=self._add_up(count),
            drops=np.full(count, self.counters.drops & 0xFFFF_FFFF, np.uint32),
            in_if=np.where(outgoing, np.uint32(0), here),
            out_if=np.where(outgoing, here, np.uint32(0)),
            time_ns=np.full(count, time_ns, np.uint64),
            header_protocol=protocol,
            frame_length=control["original"] + stripped,
            buffer=receiver.data[rows, :width].reshape(-1),
            offsets=np.arange(count, dtype=np.int64) * width,
            lengths=lengths,
            stripped=stripped,
            epoch=np.full(count, self.spot.epoch, np.uint32),
            direction=outgoing.astype(np.uint8),
            src_vlan=tags.src_vlan,
            src_priority=tags.src_priority,
            dst_vlan=tags.dst_vlan,
            dst_priority=tags.dst_priority,
        )

    def _add_up(self, count: int) -> NDArray[np.uint32]:
        """Count so many samples; give the pool after each, modulo 2^32."""
        pool = self.counters.pool + self.setting.rate * np.arange(1, count + 1, dtype=np.uint64)
        self.counters.pool = int(pool[-1])
        self.counters.samples += count
        return (pool & 0xFFFF_FFFF).astype(np.uint32)


class _Tags(NamedTuple):
    """Columns of a batch that tell of VLANs; they are not there when no packet has a tag."""

    src_vlan: NDArray[np.uint32] | None = None
    src_priority: NDArray[np.uint32] | None = None
    dst_vlan: NDArray[np.uint32] | None = None
    dst_priority: NDArray[np.uint32] | None = None


def _read_tags(tag: NDArray[np.uint32], outgoing: NDArray[np.bool_]) -> _Tags:
    """Read tags: those of packets that come in are of the source, the others of the destination."""
    if not tag.any():
        return _Tags()
    source, destination = (np.where(side, tag, np.uint32(0)) for side in (~outgoing, outgoing))
    return _Tags(
        source & np.uint32(0xFFF),
        source >> np.uint32(13),
        destination & np.uint32(0xFFF),
        destination >> np.uint32(13),
    )


def _program(setting: Setting) -> bytes:
    return sampling_program(
        setting.rate, setting.length, ingress=setting.ingress, egress=setting.egress
    )


def _header_protocol(
    hardware: NDArray[np.uint16], protocol: NDArray[np.uint16]
) -> NDArray[np.uint32]:
    """Name what each packet begins with; 0 for what sFlow has no name for."""
    conditions = [np.isin(hardware, _WITH_ETHERNET), protocol == _IPV4, protocol == _IPV6]
    chosen = np.select(conditions, [HEADER_ETHERNET, HEADER_IPV4, HEADER_IPV6], 0)
    named: NDArray[np.uint32] = chosen.astype(np.uint32)
    return named


def _bind(link: socket.socket, ifindex: int) -> None:
    """Receive from an interface; Python knows interfaces by their names only."""
    try:
        link.bind((socket.if_indextoname(ifindex), _ETH_P_ALL))
    except OSError as error:
        gone = error.errno == errno.ENXIO  # what if_indextoname has for it
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) if gone else error from error
    if socket.if_nametoindex(link.getsockname()[0]) != ifindex:
        raise OSError(errno.ENODEV, "the interface was renamed meanwhile")


def _enlarge(link: socket.socket) -> None:
    """Let many samples wait; without the privilege as many as any user may have wait."""
    try:
        link.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    except PermissionError:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
