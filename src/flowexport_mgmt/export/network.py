"""Which network a collector is in: this process's own, a VRF device's or a namespace's."""

from __future__ import annotations

import array
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Callable
from typing import Final, Protocol

from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.export.failure import EndpointError, describe_error
from flowexport_mgmt.link.namespaces import identify, is_name

OpenInNamespace = Callable[[str, int, int], socket.socket]
"""Opens a socket of a family and a kind in a namespace; OSError or LinkError when it cannot."""

_SIOCETHTOOL: Final = 0x8946
_ETHTOOL_GDRVINFO: Final = 3
_DRVINFO_SIZE: Final = 196
_IFNAMSIZ: Final = 16
_VRF: Final = "vrf"


class Network(Protocol):
    """Where sockets are opened."""

    def open(self, family: int, kind: int) -> socket.socket:
        """Open a non-blocking socket.

        Raises:
            EndpointError: there is none to be had.
        """

    def is_current(self) -> bool:
        """Tell whether what was found by its name is still what has that name."""


class OwnNetwork:
    """The network of this process."""

    def open(self, family: int, kind: int) -> socket.socket:
        """Open a non-blocking socket."""
        try:
            return socket.socket(family, kind | socket.SOCK_NONBLOCK)
        except OSError as error:
            message = f"no socket: {describe_error(error.errno or 0)}"
            raise EndpointError("", message, transient=True) from error

    def is_current(self) -> bool:
        """Be what it is."""
        return True


OWN_NETWORK: Final = OwnNetwork()


class VrfNetwork:
    """The network behind a VRF device."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._index = _index(name)

    def open(self, family: int, kind: int) -> socket.socket:
        """Open a non-blocking socket that is bound to the device."""
        link = OWN_NETWORK.open(family, kind)
        try:
            link.setsockopt(
                socket.SOL_SOCKET, socket.SO_BINDTODEVICE, os.fsencode(self._name) + b"\0"
            )
        except OSError as error:
            link.close()
            raise _refusal(self._name, error) from error
        return link

    def is_current(self) -> bool:
        """Tell whether the device is still there."""
        return _index(self._name) == self._index


class NamespaceNetwork:
    """A named network namespace."""

    def __init__(self, name: str, open_in: OpenInNamespace) -> None:
        self._name = name
        self._open_in = open_in
        self._identity = identify(name)  # before any socket, so that a change is noticed for sure

    def open(self, family: int, kind: int) -> socket.socket:
        """Open a non-blocking socket inside."""
        try:
            link = self._open_in(self._name, family, kind)
        except (OSError, LinkError) as error:
            raise _refusal(self._name, error) from error
        link.setblocking(False)
        return link

    def is_current(self) -> bool:
        """Tell whether the name still stands for it; sockets would keep it alive without a name."""
        return self._identity is not None and identify(self._name) == self._identity


def find_network(name: str | None, open_in: OpenInNamespace) -> Network:
    """Find the VRF device of a name, or else the network namespace.

    Raises:
        EndpointError: there is neither.
    """
    if name is None:
        return OWN_NETWORK
    if _driver(name) == _VRF:
        return VrfNetwork(name)
    if is_name(name) and identify(name) is not None:
        return NamespaceNetwork(name, open_in)
    raise EndpointError(
        "network-instance",
        f"network-instance {name}: there is neither a VRF device nor a network namespace of this "
        "name",
    )


def _refusal(name: str, error: OSError | LinkError) -> EndpointError:
    if isinstance(error, LinkError):
        reason, transient = str(error), True
    elif error.errno == errno.EPERM:
        reason = "flowexportd has to run as root to enter network namespaces (EPERM)"
        transient = False
    else:
        reason, transient = describe_error(error.errno or 0), isinstance(error, TimeoutError)
    message = f"network-instance {name}: {reason}"
    return EndpointError("network-instance", message, transient=transient)


def _index(name: str) -> int | None:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None


def _driver(name: str) -> str:
    """Give the name of a device's driver, which is also what tells a VRF; empty for none."""
    encoded = os.fsencode(name)
    if len(encoded) >= _IFNAMSIZ:
        return ""
    answer = array.array("B", struct.pack("I", _ETHTOOL_GDRVINFO).ljust(_DRVINFO_SIZE, b"\0"))
    request = struct.pack(f"{_IFNAMSIZ}sP", encoded, answer.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            fcntl.ioctl(asking, _SIOCETHTOOL, request)
        except OSError:
            return ""
    return answer.tobytes()[4:36].partition(b"\0")[0].decode("ascii", "replace")
