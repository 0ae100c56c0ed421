"""Giving up privilege: who the children run as, and which capabilities they keep.

Started as root, a child becomes the system user ``flowexport`` where that user exists and can
reach the program and the state folder; otherwise it keeps its uid. Either way it keeps only the
capabilities it names, cannot gain others and drops them from its bounding set. A child that was
started by a plain user, or by systemd with ambient capabilities, gives up what it does not name.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from flowexport_mgmt.errors import ExitCode, StartError

SERVICE_USER = "flowexport"
CAP_SETPCAP = 8
CAP_NET_ADMIN = 12
CAP_NET_RAW = 13

_PR_SET_KEEPCAPS = 8
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x2008_0522


class Account(NamedTuple):
    """A user that a process can become."""

    name: str
    uid: int
    gid: int


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapData(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def find_account(name: str = SERVICE_USER) -> Account | None:
    """Look up a user of this system."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name, entry.pw_uid, entry.pw_gid)


def program_paths() -> tuple[Path, ...]:
    """List what a child has to read and run to be this program."""
    package = Path(__file__).resolve().parent.parent
    folders = (Path(entry) for entry in sys.path if entry)
    return (Path(sys.executable), package, *(folder for folder in folders if folder.is_dir()))


def can_reach(account: Account, paths: Iterable[Path], *, write: bool = False) -> bool:
    """Whether ``account`` can read and enter (and write) all of the paths.

    A forked process becomes the account and tries, because mode bits are not the whole truth.
    """
    wanted = os.R_OK | os.X_OK | (os.W_OK if write else 0)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([account.gid])
            os.setresgid(account.gid, account.gid, account.gid)
            os.setresuid(account.uid, account.uid, account.uid)
            status = 0 if all(os.access(path, wanted) for path in paths) else 1
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def capabilities(kind: str = "CapPrm") -> int:
    """Return the permitted capabilities of this process, or another set of them, as bits."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == kind:
            return int(value, 16)
    return 0


@contextlib.contextmanager
def without_ambient() -> Iterator[None]:
    """Within the block, start processes that inherit none of the ambient capabilities.

    They have none from their first instruction on, and need no call to give them up.
    """
    ambient = capabilities("CapAmb")
    if not ambient:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    try:
        yield
    finally:
        for number in range(ambient.bit_length()):
            if ambient >> number & 1:
                _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number, 0, 0))


def confine(account: Account | None, keep: frozenset[int]) -> None:
    """Become ``account`` (None: stay) and keep only the capabilities ``keep`` of those held.

    To be called before the process starts its first thread: each thread has its own set.

    Raises:
        StartError: the kernel refused, so the process must not go on.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    held = capabilities()
    try:
        if held & 1 << CAP_SETPCAP:
            _drop_bounding(libc, keep)
        if account is not None:
            _check(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
            os.setgroups([account.gid])
            os.setresgid(account.gid, account.gid, account.gid)
            os.setresuid(account.uid, account.uid, account.uid)
        _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
        wanted = held & sum(1 << number for number in keep)
        if wanted != held or account is not None:  # a sandbox may forbid the call
            _set_capabilities(libc, wanted)
        _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    except OSError as error:
        raise StartError(
            f"cannot give up privileges: {error.strerror}", ExitCode.PERMISSION
        ) from error


def _drop_bounding(libc: ctypes.CDLL, keep: frozenset[int]) -> None:
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text(encoding="ascii"))
    for number in range(last + 1):
        if number not in keep:
            _check(libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0))


def _set_capabilities(libc: ctypes.CDLL, wanted: int) -> None:
    header = _CapHeader(_CAPABILITY_VERSION_3, 0)
    words = (wanted & 0xFFFF_FFFF, wanted >> 32)
    data = (_CapData * 2)(*(_CapData(word, word, 0) for word in words))
    _check(libc.capset(ctypes.byref(header), data))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
