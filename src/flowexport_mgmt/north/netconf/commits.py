"""The operations of commits (RFC 6241, sections 8.3 and 8.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flowexport_mgmt.datastore import DEFAULT_TIMEOUT, Confirmed
from flowexport_mgmt.errors import ErrorTag
from flowexport_mgmt.north.netconf import parameters
from flowexport_mgmt.north.netconf.calls import Call, OperationRow
from flowexport_mgmt.north.netconf.names import base
from flowexport_mgmt.north.netconf.parameters import Parameters
from flowexport_mgmt.north.netconf.replies import Ok, Reply


async def commit(call: Call) -> Reply:
    """Make the candidate running (RFC 6241, sections 8.3.4.1 and 8.4.5.1)."""
    await call.datastore.commit(
        call.session,
        confirmed=_confirmed(call.parameters),
        persist_id=_text(call.parameters, "persist-id"),
    )
    return Ok()


async def cancel_commit(call: Call) -> Reply:
    """Roll a confirmed commit back (RFC 6241, section 8.4.4.1)."""
    await call.datastore.cancel_commit(call.session, _text(call.parameters, "persist-id"))
    return Ok()


def _confirmed(given: Parameters) -> Confirmed | None:
    """Read whether and how a commit is to be confirmed.

    Raises:
        ManagementError: ``invalid-value``, also for a flag that has content; ``missing-element``
            for a timeout or token without ``confirmed``: a commit that nobody needs to confirm is
            not what was meant.
    """
    flag, timeout, persist = given.get("confirmed"), given.get("confirm-timeout"), "persist"
    if flag is None:
        if timeout is not None or persist in given:
            raise parameters.missing("confirmed")
        return None
    if len(flag) or parameters.text(flag):
        message = "confirmed is empty"
        raise parameters.fault(ErrorTag.INVALID_VALUE, message, element="confirmed")
    seconds = DEFAULT_TIMEOUT if timeout is None else parameters.number(timeout)
    return Confirmed(timeout=seconds, persist=_text(given, persist))


def _text(given: Parameters, name: str) -> str | None:
    """Read a string as it is; None where it is not given."""
    element = given.get(name)
    return None if element is None else element.text or ""


OPERATIONS: Final[Mapping[str, OperationRow]] = {
    base("commit"): OperationRow(
        commit,
        {"confirmed": False, "confirm-timeout": False, "persist": False, "persist-id": False},
    ),
    base("cancel-commit"): OperationRow(cancel_commit, {"persist-id": False}),
}
