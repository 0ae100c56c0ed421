"""The manager's side of the link to the rib process: a component, a provider of state, and calls.

There is such a process only while the configuration wants one: the supervisor is asked for it
before a commit that needs it is prepared, and told when none is needed any more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from flowexport_mgmt.app.exporter_link import ProcessLink
from flowexport_mgmt.errors import ErrorTag, LinkError, ManagementError
from flowexport_mgmt.link import messages as m
from flowexport_mgmt.link.control_client import Control
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.configuration import Configuration

_STATE_PATIENCE = 5.0
_START_PATIENCE = 20.0
"""It is the commit that starts the process: a busy machine takes its time for that."""
_NO_SOURCE = "there is no source of routes: enable ibgp or bmp"

_logger = logging.getLogger(__name__)


class RibComponent:
    """The rib process's part in commits that concern it."""

    paths: Sequence[str] = ("/flow-export",)

    def __init__(self, link: ProcessLink, control: Control) -> None:
        self._link = link
        self._control = control
        self._wanted: fe.Enrichment | None = None
        self._runs: fe.Enrichment | None = None
        self._prepared: int | None = None

    @property
    def wants_process(self) -> bool:
        """Whether there has to be a rib process for what runs."""
        return self._runs is not None

    async def prepare(
        self, old: Configuration | None, new: Configuration, *, commit: int, strict: bool
    ) -> Sequence[m.Refusal]:
        """Have a process where one is wanted, and let it prepare."""
        del old
        self._prepared = None
        self._wanted = _wanted(new)
        if self._wanted is None or (self._wanted == self._runs and self._link.commit):
            return ()
        self._control.want_rib(wanted=True)
        if strict:
            await self._link.await_arrival(_START_PATIENCE)
        elif self._link.commit is None:
            return ()  # it gets it when it has come
        message = m.Prepare(
            commit=commit, flow_export=fe.FlowExport(enrichment=self._wanted), strict=strict
        )
        try:
            reply = await self._link.command(message)
        except LinkError as error:
            return (m.Refusal(path="", message=str(error)),) if strict else ()
        if isinstance(reply, m.Prepared) and reply.refusals:
            return reply.refusals
        self._prepared = commit
        return ()

    async def apply(self) -> None:
        """Let the process run what it prepared, or end it."""
        self._runs = self._wanted
        commit, self._prepared = self._prepared, None
        if self._runs is None:
            self._link.close()
            self._control.want_rib(wanted=False)
        elif commit is not None:
            try:
                await self._link.command(m.Apply(commit=commit))
                self._link.commit = commit
            except LinkError as error:
                _logger.warning("commit %d has not reached the rib: %s", commit, error)

    async def abort(self) -> None:
        """Let the process forget what it prepared; one that is not needed for it ends."""
        commit, self._prepared = self._prepared, None
        if self._runs is None:
            self._link.close()
            self._control.want_rib(wanted=False)
        elif commit is not None:
            try:
                await self._link.command(m.Abort(commit=commit))
            except LinkError as error:
                _logger.debug("commit %d is not aborted: %s", commit, error)

    async def stop(self) -> None:
        """Close the link; the process itself is the supervisor's to stop."""
        self._link.close()


class RibState:
    """What the rib process reports; without one, why there is none."""

    paths: Sequence[str] = ("/flow-export/enrichment",)

    def __init__(self, link: ProcessLink, configuration: Callable[[], Configuration]) -> None:
        self._link = link
        self._configuration = configuration

    async def state(self, paths: Sequence[str]) -> Mapping[str, msgspec.Struct]:
        """Ask the process."""
        configuration = self._configuration()
        if configuration.flow_export is None:
            return {}
        if _wanted(configuration) is None:
            enrichment = _absent(configuration.flow_export.enrichment)
        else:
            enrichment = await self._ask(paths)
        return {"flow-export:flow-export": fe.FlowExportState(enrichment=enrichment)}

    async def _ask(self, paths: Sequence[str]) -> fe.EnrichmentState:
        try:
            reply = await self._link.request(m.GetState(paths=tuple(paths)), _STATE_PATIENCE)
        except LinkError as error:
            down = fe.EnrichmentRib(oper_status=OperStatus.DOWN, oper_reason=str(error))
            return fe.EnrichmentState(rib=self._with_restarts(down))
        if not isinstance(reply, m.State) or reply.flow_export is None:
            raise LinkError(f"the rib answered {reply}")
        state = reply.flow_export.enrichment or fe.EnrichmentState()
        if state.rib is None:
            return state
        return msgspec.structs.replace(state, rib=self._with_restarts(state.rib))

    def _with_restarts(self, rib: fe.EnrichmentRib) -> fe.EnrichmentRib:
        return msgspec.structs.replace(rib, restarts=self._link.restarts)


class RibCalls:
    """Operations of the model that the rib process carries out."""

    def __init__(self, link: ProcessLink) -> None:
        self._link = link

    async def refresh_routes(self, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """Ask neighbors for all their routes.

        Raises:
            ManagementError: there is no session to ask by.
        """
        message = m.RefreshRoutes(neighbor=parameters.get("neighbor"))
        try:
            reply = await self._link.request(message, _STATE_PATIENCE)
        except LinkError as error:
            raise ManagementError.single(ErrorTag.OPERATION_FAILED, str(error)) from error
        if isinstance(reply, m.Failed):
            raise ManagementError.single(ErrorTag.OPERATION_FAILED, reply.message)
        return {}


def _wanted(configuration: Configuration) -> fe.Enrichment | None:
    """Give what a rib process is to run; None when none is needed."""
    if configuration.flow_export is None:
        return None
    enrichment = configuration.flow_export.enrichment
    has_source = enrichment.ibgp.enabled or enrichment.bmp.enabled
    return enrichment if enrichment.bgp and has_source else None


def _absent(enrichment: fe.Enrichment) -> fe.EnrichmentState:
    status, reason = OperStatus.DISABLED, None
    if enrichment.bgp:
        status, reason = OperStatus.DEGRADED, _NO_SOURCE
    return fe.EnrichmentState(
        rib=fe.EnrichmentRib(oper_status=status, oper_reason=reason),
        ibgp=fe.EnrichmentIbgpState(oper_status=OperStatus.DISABLED),
        bmp=fe.EnrichmentBmpState(oper_status=OperStatus.DISABLED),
    )
