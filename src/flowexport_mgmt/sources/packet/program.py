"""The classic BPF program that takes one packet in N, and its first octets only (bpf(4))."""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Final

_INSTRUCTION: Final = struct.Struct("=HBBI")  # struct sock_filter
_LOAD_WORD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_MODULO: Final = 0x94  # BPF_ALU | BPF_MOD | BPF_K
_JUMP_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

_ANCILLARY: Final = 0xFFFF_F000  # SKF_AD_OFF: loads from there ask the kernel, not the packet
_PACKET_TYPE: Final = _ANCILLARY + 4
_RANDOM: Final = _ANCILLARY + 56
_OUTGOING: Final = 4  # PACKET_OUTGOING

_SO_ATTACH_FILTER: Final = 26


def sampling_program(rate: int, length: int, *, ingress: bool, egress: bool) -> bytes:
    """Assemble the program.

    Args:
        rate: one packet in so many is taken, at random, each with the same chance.
        length: octets that are kept of a packet.
        ingress: whether packets are taken that come in.
        egress: whether packets are taken that go out.
    """
    take, leave = _put(_RETURN, value=length), _put(_RETURN, value=0)
    steps: list[bytes] = []
    if rate > 1:
        steps += [_put(_LOAD_WORD, value=_RANDOM), _put(_MODULO, value=rate)]
        steps += [_put(_JUMP_EQUAL, 1, 0, 0), leave]
    if ingress is not egress:
        steps += [_put(_LOAD_WORD, value=_PACKET_TYPE)]
        steps += [_put(_JUMP_EQUAL, *((0, 1) if ingress else (1, 0)), _OUTGOING), leave]
    elif not ingress:
        return leave
    return b"".join((*steps, take))


def attach(link: socket.socket, program: bytes) -> None:
    """Let a socket receive by a program from now on, in place of the one before.

    Raises:
        OSError: the kernel refused.
    """
    code = ctypes.create_string_buffer(program, len(program))
    count = len(program) // _INSTRUCTION.size
    described = struct.pack("@HP", count, ctypes.addressof(code))  # struct sock_fprog
    link.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def _put(code: int, if_true: int = 0, if_false: int = 0, value: int = 0) -> bytes:
    return _INSTRUCTION.pack(code, if_true, if_false, value)
