"""The routes of BGP by configuration: prepared, applied, reported."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from typing import Final

from flowexport_mgmt.enrich.rib_memory import Memory, Word
from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.link.broker import Broker
from flowexport_mgmt.link.messages import Refusal, SourceStateChange
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.rib.base import Rib
from flowexport_mgmt.rib.listeners import Endpoint, Listener
from flowexport_mgmt.rib.peers import Neighbor, Peers, normalise
from flowexport_mgmt.rib.routers import Routers
from flowexport_mgmt.rib.signatures import set_key
from flowexport_mgmt.rib.state import describe

_LOG = logging.getLogger(__name__)

_TICK_S: Final = 0.2
_PAUSE_S: Final = 0.02
_ENRICHMENT: Final = "/flow-export:flow-export/enrichment"
_NOTHING: Final = fe.Enrichment(bgp=False)

Tell = Callable[[SourceStateChange], None]


class RibService:
    """Runs what one configuration of enrichment says; nothing before the first `apply`."""

    def __init__(self, memory: Memory, broker: Broker, tell: Tell) -> None:
        self.commit = 0
        self._memory = memory
        self._tell = tell
        self._since_ns = time.time_ns()
        self._runs = _NOTHING
        self._prepared: tuple[int, fe.Enrichment] | None = None
        self._executor = ThreadPoolExecutor(1, "tables")
        self._rib = Rib(
            memory,
            seed=secrets.randbits(63),
            stale_time=_NOTHING.stale_time,
            end_of_rib_timeout=_NOTHING.end_of_rib_timeout,
            executor=self._executor,
        )
        self._peers = Peers(self._rib, self._note)
        self._routers = Routers(self._rib, self._note)
        self._ibgp = Listener(broker, self._peers.take, self._sign)
        self._bmp = Listener(broker, self._routers.take, lambda _: None)
        self._passwords: dict[str, str] = {}
        self._told: OperStatus | None = None
        self._unsigned: str | None = None

    async def run(self) -> None:
        """Do what is due and the work there is, until cancelled."""
        tick_at = 0.0
        while True:
            now = time.monotonic()
            if now >= tick_at:
                tick_at = now + _TICK_S
                self._rib.tick(now)
                self._watch()
            is_busy = self._rib.work(now)
            await asyncio.sleep(0 if is_busy else _PAUSE_S)

    async def prepare(
        self, commit: int, enrichment: fe.Enrichment, *, strict: bool
    ) -> tuple[Refusal, ...]:
        """Get the sockets that a configuration needs; with ``strict`` say which cannot be had."""
        await self.abort(commit)
        refusals = []
        for listener, wanted, name in (
            (self._ibgp, _ibgp_endpoint(enrichment), "ibgp"),
            (self._bmp, _bmp_endpoint(enrichment), "bmp"),
        ):
            refusal = await listener.prepare(wanted)
            if refusal is not None and strict:
                path = f"{_ENRICHMENT}/{name}/port"
                refusals.append(Refusal(path=path, message=refusal))
        if refusals:
            await self.abort(commit)
        else:
            self._prepared = commit, enrichment
        return tuple(refusals)

    async def apply(self, commit: int) -> None:
        """Run what was prepared.

        Raises:
            LinkError: another commit was prepared, or none.
        """
        if self._prepared is None or self._prepared[0] != commit:
            raise LinkError(f"commit {commit} is to be applied and was not prepared")
        enrichment, self._prepared = self._prepared[1], None
        before, self._runs = self._runs, enrichment
        self._rib.stale_time = enrichment.stale_time
        self._rib.end_of_rib_timeout = enrichment.end_of_rib_timeout
        self._peers.configure(_neighbors(enrichment))
        self._routers.configure(enrichment.bmp.strip_local_as.value)
        await self._ibgp.apply()
        await self._bmp.apply()
        self._sign_all(enrichment)
        if _bmp_endpoint(before) and not _bmp_endpoint(enrichment):
            await self._routers.stop(keep=False)
        self.commit = commit

    async def abort(self, commit: int) -> None:
        """Forget what was prepared."""
        del commit
        self._prepared = None
        await self._ibgp.abort()
        await self._bmp.abort()

    async def stop(self) -> None:
        """End all sessions and listen no more."""
        await self._ibgp.stop()
        await self._bmp.stop()
        await self._peers.stop()
        await self._routers.stop(keep=True)
        self._executor.shutdown(wait=False, cancel_futures=True)

    def refresh(self, neighbor: str | None) -> str | None:
        """Ask neighbors for all their routes; say why that is not possible, if so."""
        return self._peers.refresh(neighbor)

    def state(self) -> fe.EnrichmentState:
        """Report everything."""
        status, reason = self._judge()
        return describe(
            self._rib,
            self._peers,
            self._routers,
            self._runs,
            rib_status=(status, reason),
            ibgp_status=_judge_listener(self._ibgp, _ibgp_endpoint(self._runs), self._unsigned),
            bmp_status=_judge_listener(self._bmp, _bmp_endpoint(self._runs), None),
        )

    def _judge(self) -> tuple[OperStatus, str | None]:
        sources = self._rib.sources.values()
        if any(table.usable for source in sources for table in source.tables.values()):
            return OperStatus.UP, None
        if any(source.up for source in sources):
            return OperStatus.DEGRADED, "no source has told of a whole table yet"
        for listener in (self._ibgp, self._bmp):
            if listener.error is not None:
                return OperStatus.DEGRADED, listener.error
        return OperStatus.DEGRADED, "no neighbor has a session, and no router is connected"

    def _watch(self) -> None:
        """Tell of another status; keep what the exporter is to know of this host."""
        status, reason = self._judge()
        if status is not self._told:
            is_first, self._told = self._told is None, status
            if not is_first or status is OperStatus.UP:
                self._tell(SourceStateChange(name="bgp", oper_status=status, oper_reason=reason))
        own_as = self._runs.ibgp.local_as or self._routers.local_as
        self._memory.header[Word.OWN_AS] = own_as

    def _note(self, name: str, is_up: bool, reason: str | None) -> None:
        status = OperStatus.UP if is_up else OperStatus.DOWN
        self._tell(SourceStateChange(name=name, oper_status=status, oper_reason=reason))

    def _sign_all(self, enrichment: fe.Enrichment) -> None:
        """Want segments signed by neighbors that have a password, and by no others."""
        wanted = {
            neighbor.address: neighbor.password
            for neighbor in enrichment.ibgp.neighbor
            if neighbor.password is not None
        }
        former = {address: None for address in self._passwords if address not in wanted}
        self._passwords = wanted
        if self._ibgp.socket is not None:
            self._set_keys(self._ibgp.socket, {**former, **wanted})

    def _sign(self, listener: socket.socket) -> None:
        self._set_keys(listener, dict(self._passwords))

    def _set_keys(self, listener: socket.socket, keys: dict[str, str | None]) -> None:
        self._unsigned = None
        for address, password in keys.items():
            try:
                set_key(listener, address, password)
            except OSError as error:
                if password is not None:
                    self._unsigned = f"no signatures of TCP for {address}: {error.strerror}"
                    _LOG.error("%s", self._unsigned)


def _ibgp_endpoint(enrichment: fe.Enrichment) -> Endpoint | None:
    ibgp = enrichment.ibgp
    is_wanted = enrichment.bgp and ibgp.enabled
    return Endpoint(ibgp.listen_address, ibgp.port) if is_wanted else None


def _bmp_endpoint(enrichment: fe.Enrichment) -> Endpoint | None:
    bmp = enrichment.bmp
    is_wanted = enrichment.bgp and bmp.enabled
    return Endpoint(bmp.listen_address, bmp.port) if is_wanted else None


def _neighbors(enrichment: fe.Enrichment) -> dict[str, Neighbor]:
    ibgp = enrichment.ibgp
    if _ibgp_endpoint(enrichment) is None or ibgp.local_as is None:
        return {}
    router_id = None if ibgp.router_id is None else int(IPv4Address(ibgp.router_id))
    return {
        normalise(neighbor.address): Neighbor(
            address=neighbor.address,
            peer_as=neighbor.peer_as or ibgp.local_as,
            local_as=ibgp.local_as,
            router_id=router_id,
            password=neighbor.password,
        )
        for neighbor in ibgp.neighbor
    }


def _judge_listener(
    listener: Listener, wanted: Endpoint | None, fault: str | None
) -> tuple[OperStatus, str | None]:
    if wanted is None:
        return OperStatus.DISABLED, None
    if listener.error is not None:
        return OperStatus.DOWN, listener.error
    return (OperStatus.UP, None) if fault is None else (OperStatus.DEGRADED, fault)
