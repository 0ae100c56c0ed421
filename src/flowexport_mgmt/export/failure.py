"""Why something cannot be sent: a name to count by, and words."""

from __future__ import annotations

import errno
import functools
import os
import ssl
from typing import Final, NamedTuple

from flowexport_mgmt.errors import FlowExportError


class EndpointError(FlowExportError):
    """A socket cannot be had.

    ``leaf`` is the collector's leaf to blame, empty for none. ``transient`` tells that the network
    has to change before it works, and not the configuration.
    """

    def __init__(self, leaf: str, message: str, *, transient: bool = False) -> None:
        self.leaf = leaf
        self.message = message
        self.transient = transient
        super().__init__(message)


class Failure(NamedTuple):
    """An error: ``name`` such as ECONNREFUSED, ``text`` for people, ``number`` 0 for no errno."""

    name: str
    text: str
    number: int = 0


PEER_CLOSED: Final = Failure("CLOSED", "the collector closed the connection")


class LostError(FlowExportError):
    """A connection cannot be made, or has ended."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.text)


def error_name(number: int) -> str:
    """Give the symbol of an error, such as ECONNREFUSED."""
    return errno.errorcode.get(number, f"errno {number}")


def describe_error(number: int) -> str:
    """Word an error of the operating system."""
    return f"{os.strerror(number)} ({error_name(number)})"


@functools.cache
def number_failure(number: int) -> Failure:
    """Give the failure of an errno."""
    return Failure(error_name(number), describe_error(number), number)


def failure_of(error: OSError) -> Failure:
    """Give the failure of an error of the operating system or of TLS."""
    if isinstance(error, ssl.SSLError):
        return _tls_failure(error)
    return number_failure(error.errno or 0)


def _tls_failure(error: ssl.SSLError) -> Failure:
    name = error.reason or type(error).__name__
    words = name.replace("_", " ").lower()
    if isinstance(error, ssl.SSLCertVerificationError):
        words = f"certificate verify failed: {error.verify_message}"
    elif "ALERT" in name:
        words = f"the collector refused: {words}"
    return Failure(name, f"TLS: {words}")
