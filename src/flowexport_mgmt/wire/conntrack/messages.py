"""What a buffer of netlink messages holds, and the requests that are answered so."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.conntrack import numbers as n

Octets = NDArray[np.uint8]
Positions = NDArray[np.intp]

_HEAD: Final = np.dtype([("length", "=u4"), ("kind", "=u2"), ("flags", "=u2")])
_ERROR_CODE: Final = struct.Struct("=i")


@dataclass(frozen=True, slots=True)
class Messages:
    """The messages of a buffer: where each begins, its length, type and flags, of shape (N,)."""

    offsets: Positions
    lengths: NDArray[np.uint32]
    kinds: NDArray[np.uint16]
    flags: NDArray[np.uint16]

    def __len__(self) -> int:
        """Count the messages."""
        return len(self.offsets)


def make_dump_request(sequence: int, family: int = n.AF_UNSPEC) -> bytes:
    """Ask for all entries of a family, or of all."""
    size = n.BODY
    flags = n.NLM_F_REQUEST | n.NLM_F_DUMP
    return n.HEADER.pack(size, n.CT_GET, flags, sequence, 0) + n.NFGEN.pack(family, 0, 0)


def split(octets: Octets, sequence: int) -> Messages:
    """Find the messages that fill a buffer, as answers to a request with this sequence number.

    The buffer begins at a multiple of four octets, as does each message. The sequence number leads
    to the candidates; that they stand one right after the other to the buffer's end is proof that
    they are the messages. Should there be no proof, they are walked one by one.

    Raises:
        DecodeError: a message ends outside of the buffer or is too short for its header.
    """
    if len(octets) % 4 or octets.ctypes.data % 4:
        raise DecodeError("message-length", f"{len(octets)} octets are no row of messages")
    words = octets.view(np.uint32)
    found = np.flatnonzero(words[2:] == np.uint32(sequence))
    if not _is_chain(words, found):
        found = _walk(words)
    heads = _heads(words, found)
    return Messages(found * 4, heads["length"], heads["kind"], heads["flags"])


def read_error(octets: Octets, offset: int, length: int) -> int:
    """Read the errno of NLMSG_ERROR or NLMSG_DONE; 0 for none.

    Raises:
        DecodeError: the message is too short to hold one.
    """
    begin = offset + n.HEADER.size
    if length < n.HEADER.size + _ERROR_CODE.size:
        raise DecodeError("message-length", f"{length} octets hold no error", offset)
    code: int = _ERROR_CODE.unpack(octets[begin : begin + _ERROR_CODE.size].tobytes())[0]
    return -code


def _heads(words: NDArray[np.uint32], at: Positions) -> NDArray[Any]:
    pairs = np.empty((len(at), 2), np.uint32)
    pairs[:, 0], pairs[:, 1] = words[at], words[at + 1]
    return pairs.view(_HEAD).reshape(len(at))


def _is_chain(words: NDArray[np.uint32], at: Positions) -> bool:
    """Tell whether messages at these words follow each other from the first word to the last."""
    if not len(at) or at[0]:
        return False
    ends = at + ((words[at].astype(np.int64) + 3) >> 2)
    return bool(ends[-1] == len(words) and (ends[:-1] == at[1:]).all())


def _walk(words: NDArray[np.uint32]) -> Positions:
    found = []
    at = 0
    while at < len(words):
        length = int(words[at])
        size = (length + 3) >> 2
        if length < n.HEADER.size or size > len(words) - at:
            raise DecodeError("message-length", f"a message of {length} octets", at * 4)
        found.append(at)
        at += size
    return np.array(found, np.intp)
