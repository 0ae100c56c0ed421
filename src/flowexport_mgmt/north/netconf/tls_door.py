"""NETCONF over TLS as a part of the transaction: the port, the certificates and their names."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from flowexport_mgmt.credentials import CredentialsError, KeyFolders, server_context
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
from flowexport_mgmt.north.listener import RETRY_AFTER, Listener
from flowexport_mgmt.north.netconf.cert_names import is_known_fingerprint
from flowexport_mgmt.north.netconf.tls import TlsServer

_log = logging.getLogger(__name__)

_TLS: Final = "/fxs:server/fxs:netconf/fxs:tls"


@dataclass(frozen=True, slots=True)
class _Credentials:
    """What was read from the files."""

    context: ssl.SSLContext
    expiry: datetime | None


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the server will use after the commit that is being prepared."""

    settings: NetconfTls
    users: frozenset[str]
    credentials: _Credentials | None = None
    reason: str = ""


class TlsDoor:
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
        self._server = server
        self._keys = keys
        self._listener = Listener("NETCONF over TLS", broker, server.serve, retry_after=retry_after)
        self._credentials: _Credentials | None = None
        self._reason = ""
        self._next: _Plan | None = None

    @property
    def is_short(self) -> bool:
        """Whether something is missing that may turn up by itself."""
        return bool(self._reason)

    async def prepare(self, old: Server | None, new: Server, *, strict: bool) -> list[Refusal]:
        """Open the port that is wanted next, and read the certificates."""
        tls = new.netconf.tls
        self._next = plan = _Plan(tls, frozenset(user.name for user in new.user))
        refusals: list[Refusal] = []
        changes = old is not None and old.netconf.tls != tls
        if strict and changes:
            refusals += _bad_fingerprints(tls)
        calls = (entry.transport is NetconfCallHomeTransport.TLS for entry in new.netconf.call_home)
        if tls.enabled or any(calls):
            try:
                plan = _Plan(tls, plan.users, self._read(tls))
            except CredentialsError as error:
                plan = _Plan(tls, plan.users, self._credentials, str(error))
                if strict and changes:
                    refusals.append(_refusal(error.leaf, str(error)))
        self._next = plan
        wanted = TcpEndpoint(tls.address, tls.port) if tls.enabled and plan.credentials else None
        reason = await self._listener.prepare(wanted, strict=strict)
        return [*refusals, _refusal("port", reason)] if reason else refusals

    async def apply(self) -> None:
        """Move to the new port, certificates and names."""
        plan, self._next = self._next, None
        if plan is not None:
            self._use(plan)
        await self._listener.apply()

    async def abort(self) -> None:
        """Close the new port again."""
        self._next = None
        await self._listener.abort()

    async def stop_listening(self) -> None:
        """Accept no more."""
        await self._listener.stop()

    def state(self) -> NetconfTlsState:
        """Report how the server fares."""
        status, reason = self._status()
        return NetconfTlsState(
            certificate_expiry=None if self._expiry is None else self._expiry.isoformat(),
            oper_status=status,
            oper_reason=reason or None,
        )

    def _status(self) -> tuple[OperStatus, str]:
        if self._reason:
            short = OperStatus.DOWN if self._credentials is None else OperStatus.DEGRADED
            return short, self._reason
        status = self._listener.status
        expiry = self._expiry
        if status is OperStatus.UP and expiry is not None and expiry < datetime.now(UTC):
            return OperStatus.DEGRADED, f"the certificate expired on {expiry:%Y-%m-%d at %H:%M} UTC"
        return status, self._listener.reason

    @property
    def _expiry(self) -> datetime | None:
        return None if self._credentials is None else self._credentials.expiry

    def _read(self, tls: NetconfTls) -> _Credentials:
        context = server_context(tls, self._keys)
        return _Credentials(context, _expiry(self._keys.find("certificate", tls.certificate or "")))

    def _use(self, plan: _Plan) -> None:
        self._credentials = plan.credentials
        self._server.context = None if plan.credentials is None else plan.credentials.context
        self._server.cert_to_name = plan.settings.cert_to_name
        self._server.users = plan.users
        if plan.reason and plan.reason != self._reason:
            rest = "" if plan.credentials is None else "; what was read before stays in use"
            _log.error("NETCONF over TLS: %s%s", plan.reason, rest)
        self._reason = plan.reason


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
