"""The gNMI server as a part of the transaction and as a provider of state."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from flowexport_mgmt.credentials import CredentialsError, KeyFolders, Pem, read_pem
from flowexport_mgmt.credentials.cert_names import is_known_fingerprint
from flowexport_mgmt.datastore import Datastore, Refusal
from flowexport_mgmt.link import messages
from flowexport_mgmt.link.broker import TcpEndpoint
from flowexport_mgmt.link.listeners import open_listener
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.model.server import Gnmi, GnmiState, GnmiTlsState, ServerState, User
from flowexport_mgmt.north.again import Again
from flowexport_mgmt.north.gnmi.server import Certificates, Engine, make_server
from flowexport_mgmt.north.gnmi.subscribe.service import PATIENCE
from flowexport_mgmt.north.listener import RETRY_AFTER

_log = logging.getLogger(__name__)

_GNMI: Final = "/fxs:server/fxs:gnmi"
SELF_SIGNED: Final = "gnmi-self-signed.pem"
_GRACE: Final = 30.0
"""Seconds that RPCs may go on when the server moves to another port."""
_TURN: Final = 2.0
"""Seconds that they may when it stays and changes to TLS or back."""


@dataclass(frozen=True, slots=True)
class _Where:
    """Where and how to listen: another one needs a server of its own."""

    endpoint: TcpEndpoint
    plaintext: bool
    mutual: bool


@dataclass(slots=True)
class _Serving:
    """A server that is bound."""

    where: _Where
    server: Any
    certificates: Certificates | None


@dataclass(slots=True)
class _Plan:
    """What will be after the commit that is being prepared."""

    settings: Gnmi
    users: Sequence[User]
    where: _Where | None = None
    pem: Pem | None = None
    opened: _Serving | None = None
    reason: str = ""


class GnmiDoor:
    """gNMI where the configuration says. gRPC opens its port itself, in this process.

    Certificates are read anew whenever the door is prepared; those that were read before stay in
    use where the new ones will not do.
    """

    paths = ("/server/gnmi", "/server/user")

    def __init__(
        self,
        datastore: Datastore,
        *,
        keys: KeyFolders,
        own_folder: Path,
        retry_after: float = RETRY_AFTER,
        patience: float = PATIENCE,
    ) -> None:
        self._datastore = datastore
        self._keys = keys
        self._own = own_folder / SELF_SIGNED
        self.engine = Engine(datastore, patience=patience)
        self._serving: _Serving | None = None
        self._pem: Pem | None = None
        self._plan: _Plan | None = None
        self._enabled = False
        self._reason = ""
        self._leaving: set[asyncio.Task[None]] = set()
        self._again = Again(self._restore, retry_after)
        self._started = False

    def register(self) -> None:
        """Take part in commits and report state."""
        self._datastore.register(self)
        self._datastore.register_state(self)

    # -- the transaction

    async def prepare(
        self, old: Configuration | None, new: Configuration, *, commit: int, strict: bool
    ) -> Sequence[Refusal]:
        """Open the port that is wanted, and read the certificates."""
        del commit
        gnmi = new.server.gnmi
        self._plan = plan = _Plan(gnmi, new.server.user)
        changes = strict and (old is None or old.server.gnmi != gnmi)
        refusals = list(_bad_fingerprints(gnmi)) if changes else []
        if not gnmi.enabled:
            return refusals
        plan.pem = self._pem
        if not gnmi.plaintext:
            try:
                plan.pem = read_pem(gnmi.tls, self._keys, self._own)
            except CredentialsError as error:
                plan.reason = str(error)
                if changes:
                    refusals.append(_refusal(f"tls/fxs:{error.leaf}", plan.reason))
        refusals += await self._bind(plan, changes=changes)
        return refusals

    async def _bind(self, plan: _Plan, *, changes: bool) -> list[Refusal]:
        gnmi = plan.settings
        if not gnmi.plaintext and plan.pem is None:
            return []
        endpoint = TcpEndpoint(gnmi.address, gnmi.port)
        mutual = not gnmi.plaintext and plan.pem is not None and bool(plan.pem.ca)
        plan.where = _Where(endpoint, gnmi.plaintext, mutual)
        serving = self._serving
        if serving is not None and serving.where.endpoint == endpoint:
            return []  # the port is ours already; how it is used changes when that is applied
        try:
            plan.opened = self._open(plan.where, plan.pem)
        except OSError as error:
            plan.reason = plan.reason or _cannot(endpoint, error)
            return [_refusal("port", _cannot(endpoint, error))] if changes else []
        return []

    def _open(self, where: _Where, pem: Pem | None) -> _Serving:
        """Bind a server.

        Raises:
            OSError: with the errno of what failed, which gRPC does not tell.
        """
        open_listener(where.endpoint).close()
        server = make_server(self.engine)
        certificates = None
        try:
            if where.plaintext or pem is None:
                server.add_insecure_port(str(where.endpoint))
            else:
                certificates = Certificates(pem)
                server.add_secure_port(str(where.endpoint), certificates.credentials())
        except RuntimeError as error:
            raise OSError(0, str(error)) from error
        return _Serving(where, server, certificates)

    async def apply(self) -> None:
        """Move to the new port, certificates and limits."""
        plan, self._plan = self._plan, None
        if plan is None:
            return
        self._use(plan)
        await self._move(plan)
        self._again.want(self._enabled and bool(self._reason))

    def _use(self, plan: _Plan) -> None:
        gnmi, engine = plan.settings, self.engine
        self._enabled, self._pem = gnmi.enabled, plan.pem
        engine.clients.limit = gnmi.max_sessions
        engine.subscriptions.limit = gnmi.max_subscriptions
        engine.subscriptions.shortest = gnmi.min_sample_interval * 1_000_000
        ca = plan.pem.ca if plan.pem is not None and not gnmi.plaintext else b""
        engine.logins.use(plan.users, gnmi.tls.cert_to_name, ca)
        engine.subscriptions.end_others({user.name for user in plan.users})
        if not self._started:
            self._started = True
            engine.subscriptions.start()

    async def _move(self, plan: _Plan) -> None:
        old, reason = self._serving, plan.reason
        where = plan.where
        if old is not None and old.where == where:
            if old.certificates is not None and plan.pem is not None:
                old.certificates.pem = plan.pem
        elif old is not None and where is not None and plan.opened is None and not reason:
            self._leave(self._turn_over(old, where, plan.pem))
        else:
            self._serving = None
            if old is not None:
                self._leave(old.server.stop(_GRACE))
            if plan.opened is not None:
                await self._start(plan.opened)
        if reason and reason != self._reason:
            _log.warning("gNMI: %s; trying again", reason)
        self._reason = reason

    async def _start(self, opened: _Serving) -> None:
        await opened.server.start()
        self._serving = opened
        _log.info("gNMI: listening on %s", opened.where.endpoint)

    async def _turn_over(self, old: _Serving, where: _Where, pem: Pem | None) -> None:
        """Use the port in another way, once the RPCs have ended: that which asks may be one."""
        self._serving = None
        self._reason = "TLS is being changed"
        await old.server.stop(_TURN)
        try:
            await self._start(self._open(where, pem))
            self._reason = ""
        except OSError as error:
            self._reason = _cannot(where.endpoint, error)
        self._again.want(self._enabled and bool(self._reason))

    async def abort(self) -> None:
        """Close the new port again."""
        plan, self._plan = self._plan, None
        if plan is not None and plan.opened is not None:
            await plan.opened.server.start()  # one that never started keeps its port
            await plan.opened.server.stop(None)

    async def stop(self) -> None:
        """End every RPC and close everything."""
        await self._again.stop()
        await self.abort()
        await self.engine.subscriptions.stop()
        serving, self._serving = self._serving, None
        if serving is not None:
            await serving.server.stop(0.5)
        for task in self._leaving:
            task.cancel()
        if self._leaving:
            await asyncio.wait(self._leaving)
        self.engine.clients.stop()
        self.engine.logins.stop()

    def _leave(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a server end beside everything else."""
        task = asyncio.create_task(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    @property
    def is_secure(self) -> bool:
        """Whether it serves, and with TLS."""
        return self._serving is not None and not self._serving.where.plaintext

    async def _restore(self) -> None:
        await self._datastore.restore(self)

    # -- state

    async def state(self, _: Sequence[str]) -> Mapping[str, msgspec.Struct]:
        """Report how the server fares, its clients, and what was refused."""
        status, reason = self._status()
        expiry = self._pem.expiry if self._pem is not None else None
        gnmi = GnmiState(
            tls=GnmiTlsState(certificate_expiry=None if expiry is None else expiry.isoformat()),
            oper_status=status,
            oper_reason=reason or None,
            client=self.engine.clients.state(),
            refusals=self.engine.refusals.state(),
        )
        return {"flow-export-server:server": ServerState(gnmi=gnmi)}

    def _status(self) -> tuple[OperStatus, str]:
        if not self._enabled:
            return OperStatus.DISABLED, ""
        if self._serving is None:
            return OperStatus.DOWN, self._reason
        if self._reason:
            return OperStatus.DEGRADED, self._reason
        expiry = self._pem.expiry if self._pem is not None else None
        if expiry is not None and expiry < datetime.now(UTC):
            return OperStatus.DEGRADED, f"the certificate expired on {expiry:%Y-%m-%d at %H:%M} UTC"
        return OperStatus.UP, ""


def _cannot(endpoint: TcpEndpoint, error: OSError) -> str:
    why = os.strerror(error.errno) if error.errno else str(error.strerror)
    return f"cannot listen on {endpoint}: {why}"


def _bad_fingerprints(gnmi: Gnmi) -> Sequence[Refusal]:
    return [
        _refusal(
            f"tls/fxs:cert-to-name[fxs:id='{entry.id}']/fxs:fingerprint",
            "a fingerprint is the octet of its algorithm (04 is SHA-256) and the whole digest",
        )
        for entry in gnmi.tls.cert_to_name
        if not is_known_fingerprint(entry.fingerprint)
    ]


def _refusal(place: str, reason: str) -> Refusal:
    return messages.Refusal(path=f"{_GNMI}/fxs:{place}", message=reason)
