"""From a message to its reply: the part of NETCONF that knows neither transport nor framing."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.datastore import Datastore, Session
from flowexport_mgmt.errors import ErrorTag, ErrorType, Fault, ManagementError
from flowexport_mgmt.north.netconf import (
    actions,
    commits,
    documents,
    history,
    model_operations,
    names,
    nmda,
    operations,
    parameters,
)
from flowexport_mgmt.north.netconf.calls import Call, OperationRow
from flowexport_mgmt.north.netconf.notifications import dynamic, legacy
from flowexport_mgmt.north.netconf.notifications.client import Client
from flowexport_mgmt.north.netconf.notifications.service import Subscriptions
from flowexport_mgmt.north.netconf.reading import Reader
from flowexport_mgmt.north.netconf.replies import Errors, Reply
from flowexport_mgmt.north.netconf.rpc import Envelope, Rpc, is_rpc
from flowexport_mgmt.north.netconf.statistics import Statistics

_log = logging.getLogger(__name__)


_OPERATIONS: Final = {
    **operations.OPERATIONS,
    **commits.OPERATIONS,
    **history.OPERATIONS,
    **nmda.OPERATIONS,
    **legacy.OPERATIONS,
    **dynamic.OPERATIONS,
    **model_operations.OPERATIONS,
    **actions.OPERATIONS,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply without its framing, and what becomes of the session after it.

    ``malformed``: the message was not XML that one can answer to by name; a base:1.0 session ends
    without a reply then (RFC 6241, section 3 and appendix A, malformed-message).
    """

    message: bytes
    ends_session: bool = False
    malformed: bool = False


class Engine:
    """Answers the messages of any number of sessions."""

    def __init__(
        self,
        datastore: Datastore,
        statistics: Statistics,
        reader: Reader,
        subscriptions: Subscriptions,
    ) -> None:
        self._datastore = datastore
        self._subscriptions = subscriptions
        self._reader = reader
        self._statistics = statistics

    def is_subscribed(self, session: Session) -> bool:
        """Tell whether a session has subscribed to anything."""
        return self._subscriptions.has_any(session)

    async def stop(self) -> None:
        """End the process that evaluates expressions, if there is one."""
        await self._reader.evaluator.stop()

    async def answer(self, client: Client, message: bytes) -> Answer:
        """Carry out one request; what is wrong with it is in the reply."""
        session = client.session
        try:
            element = documents.parse(message)
            if not is_rpc(element):
                raise ManagementError.single(
                    ErrorTag.MALFORMED_MESSAGE, f"{element.tag} is no rpc", type=ErrorType.RPC
                )
        except ManagementError as error:
            self._count_bad(session)
            reply = Envelope().wrap(self._errors(session, error.faults).render(Envelope()))
            return Answer(reply, malformed=True)
        envelope = Envelope.of(element)
        try:
            rpc = Rpc.read(element)
        except ManagementError as error:
            self._count_bad(session)
            return Answer(envelope.wrap(self._errors(session, error.faults).render(envelope)))
        session.in_rpcs += 1
        self._statistics.in_rpcs += 1
        content, ends = await self._carry_out(client, rpc)
        return Answer(envelope.wrap(content.render(envelope)), ends_session=ends)

    async def _carry_out(self, client: Client, rpc: Rpc) -> tuple[Reply, bool]:
        session = client.session
        try:
            row = self._row(rpc)
            taken = {} if row.is_open else self._taken(session, rpc, row)
            call = Call(
                session,
                self._datastore,
                self._reader,
                client,
                self._subscriptions,
                rpc.operation,
                taken,
            )
            return await row.run(call), row.ends_session
        except ManagementError as error:
            return self._errors(session, error.faults), False
        except Exception:  # noqa: BLE001 - one request must not end the daemon; it is logged whole
            _log.exception("an rpc failed unexpectedly: %s", rpc.operation.tag)
            fault = Fault(
                tag=ErrorTag.OPERATION_FAILED, message="unexpected failure; the log has details"
            )
            return self._errors(session, (fault,)), False

    def _taken(self, session: Session, rpc: Rpc, row: OperationRow) -> parameters.Parameters:
        namespaces = self._datastore.schema.namespaces
        self._require_access(session, str(rpc.operation.tag))
        return parameters.check(rpc.operation, row.parameters, namespaces, row.repeated)

    def _require_access(self, session: Session, tag: str) -> None:
        module = self._datastore.schema.namespaces.get(names.namespace_of(tag), "")
        self._datastore.access.require_execute(session, module, names.local_name(tag))

    def _row(self, rpc: Rpc) -> OperationRow:
        tag = str(rpc.operation.tag)
        row = _OPERATIONS.get(tag)
        if row is not None:
            return row
        if names.namespace_of(tag) not in self._datastore.schema.namespaces:
            raise parameters.unknown_namespace(rpc.operation)
        name = names.local_name(tag)
        raise parameters.fault(
            ErrorTag.OPERATION_NOT_SUPPORTED, f"there is no operation {name}", element=name
        )

    def _errors(self, session: Session, faults: tuple[Fault, ...]) -> Errors:
        session.out_rpc_errors += 1
        self._statistics.out_rpc_errors += 1
        return Errors(faults, self._datastore.schema.prefixes)

    def _count_bad(self, session: Session) -> None:
        session.in_bad_rpcs += 1
        self._statistics.in_bad_rpcs += 1
