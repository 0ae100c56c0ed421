"""Who a client is: by its certificate, by the name and password in its metadata, or by both."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from flowexport_mgmt.credentials.cert_names import CertToName, Chain, user_of
from flowexport_mgmt.model.server import User
from flowexport_mgmt.north.failures import FailedLogins
from flowexport_mgmt.north.gnmi.refusals import Refusals
from flowexport_mgmt.north.gnmi.status import Code, RpcError
from flowexport_mgmt.north.passwords import Passwords
from flowexport_mgmt.observe.log import LimitedLogger

_log = LimitedLogger(logging.getLogger(__name__))

_MAX_FAILED: Final = 20
"""Failed logins from one address in a minute."""
_REMEMBERED: Final = 256
_LONGEST_CHAIN: Final = 8


class Logins:
    """Tells the user of an RPC.

    A password that was right is remembered by a digest under a key of this process, until the
    user gets another one: trying it against its hash takes a good part of a second, and a client
    sends it with each RPC.
    """

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals
        self._passwords = Passwords()
        self._failures = FailedLogins(_MAX_FAILED)
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, str] = OrderedDict()
        self._hashes: Mapping[str, str | None] = {}
        self._cert_to_name: Sequence[CertToName] = ()
        self._authorities: Sequence[x509.Certificate] = ()

    def use(self, users: Sequence[User], cert_to_name: Sequence[CertToName], ca: bytes) -> None:
        """Take the users of a configuration, and how certificates name them."""
        self._passwords.use(users)
        self._hashes = {user.name: user.password_hash for user in users}
        self._cert_to_name = cert_to_name
        self._authorities = _certificates(ca)

    def stop(self) -> None:
        """Try nothing more."""
        self._passwords.stop()

    async def user(
        self, peer: str, metadata: Mapping[str, str], certificates: Sequence[bytes]
    ) -> str:
        """Tell the user of an RPC; ``certificates`` are PEM, as the client sent them.

        Raises:
            RpcError: UNAUTHENTICATED: it is nobody's.
        """
        address, now = address_of(peer), asyncio.get_running_loop().time()
        if self._failures.is_blocked(address, now):
            self._refusals.blocked_sources += 1
            message = "logins from this address failed too often: wait a minute"
            raise RpcError(Code.UNAUTHENTICATED, message)
        user, reason = await self._find(metadata, certificates)
        if user is not None:
            return user
        self._refusals.failed_logins += 1
        self._failures.note(address, now)
        _log.log(logging.WARNING, f"{address} {reason}", "gNMI: %s: %s", peer, reason)
        raise RpcError(Code.UNAUTHENTICATED, reason)

    async def _find(
        self, metadata: Mapping[str, str], certificates: Sequence[bytes]
    ) -> tuple[str | None, str]:
        """Give the user, or why there is none."""
        name, password = metadata.get("username"), metadata.get("password")
        if name is not None and password is not None:
            is_right = await self._is_right(name, password)
            return name if is_right else None, "the username or the password is wrong"
        certified = self._certified(certificates)
        if certified is not None and name in (None, certified):
            return certified, ""
        if name is not None:
            return None, "there is no password in the metadata"
        which = "the certificate is that of no user, and " if certificates else ""
        return None, f"{which}there is no username in the metadata"

    async def _is_right(self, name: str, password: str) -> bool:
        stored = self._hashes.get(name)
        secret = f"{len(name)}:{name}{password}".encode()
        digest = hmac.new(self._key, secret, hashlib.sha256).digest()
        if stored is not None and self._right.get(digest) == stored:
            self._right.move_to_end(digest)
            return True
        if not await self._passwords.verify(name, password) or stored is None:
            return False
        self._right[digest] = stored
        if len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)
        return True

    def _certified(self, certificates: Sequence[bytes]) -> str | None:
        """Give the user that a verified certificate is mapped to."""
        sent = [one for octets in certificates for one in _certificates(octets)]
        if not sent:
            return None
        user = user_of(_chain(sent[:_LONGEST_CHAIN], self._authorities), self._cert_to_name)
        return user if user in self._hashes else None


def _certificates(octets: bytes) -> Sequence[x509.Certificate]:
    if not octets:
        return ()
    try:
        return x509.load_pem_x509_certificates(octets)
    except ValueError:
        return ()


def _chain(sent: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate]) -> Chain:
    """Give the verified chain: what signs what, from the client's own certificate to the root.

    TLS has verified it, and says only what the client has sent.
    """
    chain = [sent[0]]
    known = [*sent[1:], *authorities]
    while len(chain) < _LONGEST_CHAIN:
        issuer = next((one for one in known if one not in chain and _signs(one, chain[-1])), None)
        if issuer is None:
            break
        chain.append(issuer)
    return chain


def _signs(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def address_of(peer: str) -> str:
    """Give the address of a gRPC peer such as ``ipv6:%5B::1%5D:4242``."""
    text = unquote(peer).partition(":")[2]
    host = text.rpartition(":")[0].strip("[]")
    return host or "0.0.0.0"  # noqa: S104 - stands for an unknown one


def source_of_peer(peer: str) -> str:
    """Give the address and port of a gRPC peer as people write them."""
    return unquote(peer).partition(":")[2]
