"""NETCONF over TLS as a part of the transaction: the port, the certificates and their names."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509

from flowexport_mgmt.credentials import CredentialsError, KeyFolders, server_context
from flowexport_mgmt.credentials.cert_names import is_known_fingerprint
from flowexport_mgmt.datastore import Refusal
from flowexport_mgmt.link import messages
from flowexport_mgmt.link.broker import Broker, TcpEndpoint
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.server import (
    NetconfCallHomeTransport,
    NetconfTls,
    NetconfTlsState,
    Server,
)
from flowexport_mgmt.north.listener import RETRY_AFTER
from flowexport_mgmt.north.netconf.keyed_door import KeyedDoor, Plan
from flowexport_mgmt.north.netconf.tls import TlsServer

_TLS: Final = "/fxs:server/fxs:netconf/fxs:tls"


@dataclass(frozen=True, slots=True)
class _Credentials:
    """What was read from the files."""

    context: ssl.SSLContext
    expiry: datetime | None


class _Names(NamedTuple):
    """How certificates are made users, and who these may be."""

    tls: NetconfTls
    users: frozenset[str]


class TlsDoor(KeyedDoor[_Names, _Credentials]):
    """Listens as the configuration says, once it has its certificates.

    They are read anew each time; where they will not do, those read before stay in use, except that
    a commit which changes something here is refused.
    """

    def __init__(
        self,
        server: TlsServer,
        broker: Broker,
        keys: KeyFolders,
        *,
        retry_after: float = RETRY_AFTER,
    ) -> None:
        super().__init__("NETCONF over TLS", broker, server.serve, retry_after=retry_after)
        self._server = server
        self._folders = keys

    async def prepare(self, old: Server | None, new: Server, *, strict: bool) -> list[Refusal]:
        """Open the port that is wanted next, and read the certificates."""
        tls = new.netconf.tls
        refusals: list[Refusal] = []
        changes = old is not None and old.netconf.tls != tls
        if strict and changes:
            refusals += _bad_fingerprints(tls)
        plan = self._next = self._plan(new)
        if plan.leaf and strict and changes:
            refusals.append(_refusal(plan.leaf, plan.reason))
        wanted = TcpEndpoint(tls.address, tls.port) if tls.enabled and plan.keys else None
        reason = await self._listener.prepare(wanted, strict=strict)
        return [*refusals, _refusal("port", reason)] if reason else refusals

    def state(self) -> NetconfTlsState:
        """Report how the server fares."""
        status, reason = self._status()
        expiry = self._keys.expiry if self._keys is not None else None
        if status is OperStatus.UP and expiry is not None and expiry < datetime.now(UTC):
            status = OperStatus.DEGRADED
            reason = f"the certificate expired on {expiry:%Y-%m-%d at %H:%M} UTC"
        return NetconfTlsState(
            certificate_expiry=None if expiry is None else expiry.isoformat(),
            oper_status=status,
            oper_reason=reason or None,
        )

    def _plan(self, new: Server) -> Plan[_Names, _Credentials]:
        tls = new.netconf.tls
        names = _Names(tls, frozenset(user.name for user in new.user))
        calls = (entry.transport is NetconfCallHomeTransport.TLS for entry in new.netconf.call_home)
        if not tls.enabled and not any(calls):
            return Plan(names, None)
        try:
            return Plan(names, self._read(tls))
        except CredentialsError as error:
            return Plan(names, self._keys, str(error), error.leaf)

    def _read(self, tls: NetconfTls) -> _Credentials:
        context = server_context(tls, self._folders)
        file = self._folders.find("certificate", tls.certificate or "")
        return _Credentials(context, _expiry(file))

    def _use(self, settings: _Names, keys: _Credentials | None) -> None:
        self._server.context = None if keys is None else keys.context
        self._server.cert_to_name = settings.tls.cert_to_name
        self._server.users = settings.users


def _expiry(path: Path) -> datetime | None:
    """Read when a certificate expires; one that only TLS can read does not tell."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError):
        return None


def _bad_fingerprints(tls: NetconfTls) -> Iterator[Refusal]:
    for entry in tls.cert_to_name:
        if not is_known_fingerprint(entry.fingerprint):
            yield _refusal(
                f"cert-to-name[fxs:id='{entry.id}']/fxs:fingerprint",
                "a fingerprint is the octet of its algorithm (04 is SHA-256) and the whole digest",
            )


def _refusal(place: str, reason: str) -> Refusal:
    return messages.Refusal(path=f"{_TLS}/fxs:{place}", message=reason)
