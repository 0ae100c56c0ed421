"""Sockets in named network namespaces, such as ``ip netns add`` makes."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import threading
from pathlib import Path
from typing import Final

_FOLDERS: Final = (Path("/run/netns"), Path("/var/run/netns"))
_CLONE_NEWNET: Final = 0x4000_0000
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


def _enter(entrance: int) -> None:
    """Put this thread into the namespace of a descriptor, for good."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(entrance, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
