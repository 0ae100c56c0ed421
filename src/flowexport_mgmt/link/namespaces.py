"""Sockets in named network namespaces, such as ``ip netns add`` makes."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
import threading
from pathlib import Path
from typing import Final

_FOLDERS: Final = (Path("/run/netns"), Path("/var/run/netns"))
_CLONE_NEWNET: Final = 0x4000_0000
_MS_BIND: Final = 4096
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1
_MAX_NAME: Final = 255


def is_name(name: str) -> bool:
    """Tell whether a namespace can have that name; a path is none."""
    is_plain = "/" not in name and "\0" not in name and name not in {".", ".."}
    return is_plain and 0 < len(os.fsencode(name)) <= _MAX_NAME


def identify(name: str) -> tuple[int, int] | None:
    """Give what tells the namespace of a name from one that has the name later; None for none."""
    try:
        found = _path(name).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def open_in_namespace(name: str, family: int, kind: int) -> socket.socket:
    """Open a socket in a namespace; the namespace of the caller stays what it is.

    A thread of its own enters the namespace, for a thread can hardly be sure to get back. Needs
    CAP_SYS_ADMIN.

    Raises:
        OSError: with the errno of what failed; ENOENT where there is no such namespace.
    """
    if not is_name(name):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    path = _path(name)
    entrance = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return _Visit(entrance, family, kind).make()
    finally:
        os.close(entrance)


def make_namespace(name: str) -> None:
    """Make a namespace of that name, with loopback up, unless there is one (ip-netns(8)).

    It stays until somebody deletes it. Needs CAP_SYS_ADMIN.

    Raises:
        OSError: with the errno of what failed.
    """
    if not is_name(name):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    if identify(name) is not None:
        return
    folder = _FOLDERS[0]
    folder.mkdir(mode=0o755, exist_ok=True)
    path = folder / name
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    try:
        _Birth(path).make()
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _path(name: str) -> Path:
    for folder in _FOLDERS:
        if (path := folder / name).exists():
            return path
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


class _Visit:
    """One thread's stay in another namespace."""

    def __init__(self, entrance: int, family: int, kind: int) -> None:
        self._entrance = entrance
        self._family = family
        self._kind = kind
        self._made: socket.socket | OSError | None = None

    def make(self) -> socket.socket:
        thread = threading.Thread(target=self._run, name="visit", daemon=True)
        thread.start()
        thread.join()
        if isinstance(self._made, socket.socket):
            return self._made
        raise self._made or OSError(errno.EIO, os.strerror(errno.EIO))

    def _run(self) -> None:
        try:
            _enter(self._entrance)
            self._made = socket.socket(self._family, self._kind)
        except OSError as error:
            self._made = error


class _Birth:
    """One thread's step into a new namespace, which is given a name before the thread ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._error: OSError | None = None

    def make(self) -> None:
        thread = threading.Thread(target=self._run, name="birth", daemon=True)
        thread.start()
        thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            _check(_libc().unshare(_CLONE_NEWNET))
            source = f"/proc/self/task/{threading.get_native_id()}/ns/net"
            target = os.fsencode(self._path)
            _check(_libc().mount(source.encode(), target, b"none", _MS_BIND, None))
            _raise_loopback()
        except OSError as error:
            self._error = error


def _raise_loopback() -> None:
    """Bring up loopback in the namespace of this thread (netdevice(7))."""
    request = struct.pack("=16sH22x", b"lo", _IFF_UP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        fcntl.ioctl(link, _SIOCSIFFLAGS, request)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _enter(entrance: int) -> None:
    """Put this thread into the namespace of a descriptor, for good."""
    _check(_libc().setns(entrance, _CLONE_NEWNET))
