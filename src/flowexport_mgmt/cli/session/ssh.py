"""A session over SSH with a daemon elsewhere; ncclient is loaded only for it."""

from __future__ import annotations

import getpass
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree
from ncclient import manager
from ncclient.operations import RaiseMode
from ncclient.transport.errors import AuthenticationError, SSHError, TransportError

from flowexport_mgmt.cli.session.replies import NotReachedError, checked, parse
from flowexport_mgmt.cli.session.session import Session

_TIMEOUT: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Where a daemon is and who asks; ``identity`` is the file of a private key."""

    host: str
    port: int = 830
    user: str | None = None
    identity: str | None = None


class SshSession(Session):
    """Connects when it is made; the host's key has to be known, or accepted at the terminal.

    Raises:
        NotReachedError: nobody listens, the key of the host is unknown, or the login fails.
    """

    def __init__(self, remote: Remote, *, ask_password: bool) -> None:
        self.place = f"{remote.host} port {remote.port}"
        logging.getLogger("ncclient").setLevel(logging.CRITICAL)
        logging.getLogger("paramiko").setLevel(logging.CRITICAL)
        self._manager = self._connect(remote, ask_password=ask_password)
        self._manager.raise_mode = RaiseMode.NONE
        self.capabilities = frozenset(self._manager.server_capabilities)
        self.identity = str(self._manager.session_id)

    def _connect(self, remote: Remote, *, ask_password: bool) -> Any:
        """Log in with keys, then, where somebody can be asked, with a password."""
        try:
            return self._attempt(remote, None, may_ask=ask_password)
        except AuthenticationError as error:
            if not ask_password:
                raise self._not_reached(error) from error
        password = getpass.getpass(f"password of {remote.user or getpass.getuser()}: ")
        try:
            return self._attempt(remote, password, may_ask=ask_password)
        except AuthenticationError as error:
            raise self._not_reached(error) from error

    def _attempt(self, remote: Remote, password: str | None, *, may_ask: bool) -> Any:
        try:
            return manager.connect_ssh(
                host=remote.host,
                port=remote.port,
                username=remote.user or getpass.getuser(),
                key_filename=remote.identity,
                password=password,
                look_for_keys=remote.identity is None,
                allow_agent=remote.identity is None,
                timeout=_TIMEOUT,
                hostkey_verify=True,
                unknown_host_cb=_accept if may_ask else _refuse,
            )
        except AuthenticationError:
            raise
        except (SSHError, TransportError, OSError) as error:
            raise self._not_reached(error) from error

    def close(self) -> None:
        """End the session."""
        self._guarded(self._manager.close_session)

    def is_alive(self) -> bool:
        """Tell whether the connection is open."""
        return bool(self._manager.connected)

    def ask(self, operation: etree._Element) -> etree._Element:
        """Send an rpc and wait for its reply."""
        try:
            reply = self._manager.rpc(operation)
        except (TransportError, OSError) as error:
            raise self._not_reached(error) from error
        except Exception as error:  # ncclient's errors of operations have no root of their own
            if type(error).__module__.startswith("ncclient."):
                raise self._not_reached(error) from error
            raise
        return checked(parse(reply.xml.encode()))

    def _guarded(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:
            if not isinstance(error, OSError) and not type(error).__module__.startswith("ncclient"):
                raise

    def _not_reached(self, error: Exception) -> NotReachedError:
        return NotReachedError(f"flowexportd is not reached at {self.place}: {error}")


def _accept(host: str, fingerprint: str) -> bool:
    sys.stderr.write(f"The key of {host} is not known; its fingerprint is {fingerprint}.\n")
    sys.stderr.write("Go on with it this time? [yes/no] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() == "yes"


def _refuse(host: str, fingerprint: str) -> bool:
    sys.stderr.write(f"The key of {host}, {fingerprint}, is not in ~/.ssh/known_hosts.\n")
    return False
