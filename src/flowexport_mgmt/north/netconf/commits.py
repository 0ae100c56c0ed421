"""The operations of commits (RFC 6241, sections 8.3 and 8.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flowexport_mgmt.datastore import DEFAULT_TIMEOUT, Confirmed, Store
from flowexport_mgmt.errors import ErrorTag
from flowexport_mgmt.north.netconf import parameters
from flowexport_mgmt.north.netconf.calls import Call, OperationRow
from flowexport_mgmt.north.netconf.history import differences
from flowexport_mgmt.north.netconf.names import base, management
from flowexport_mgmt.north.netconf.parameters import Parameters
from flowexport_mgmt.north.netconf.replies import Ok, Reply

_MAX_COMMENT: Final = 1024
_MAX_LABEL: Final = 64


async def commit(call: Call) -> Reply:
    """Make the candidate running (RFC 6241, sections 8.3.4.1 and 8.4.5.1), or tell what it would.

    A reader of the history is told the comment and the label.
    """
    given = call.parameters
    comment, label = _words(given, "comment", _MAX_COMMENT), _words(given, "label", _MAX_LABEL)
    confirmed, persist_id = _confirmed(given), _text(given, "persist-id")
    if _flag(given, "dry-run"):
        return await _dry_run(call, confirmed, persist_id)
    await call.datastore.commit(
        call.session, comment=comment, label=label, confirmed=confirmed, persist_id=persist_id
    )
    return Ok()


async def _dry_run(call: Call, confirmed: Confirmed | None, persist_id: str | None) -> Reply:
    datastore = call.datastore
    trial = await datastore.dry_run(call.session, confirmed=confirmed, persist_id=persist_id)
    with trial, datastore.read(Store.RUNNING) as running:
        return differences(call, running, trial)


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
    timeout, persist = given.get("confirm-timeout"), "persist"
    if not _flag(given, "confirmed"):
        if timeout is not None or persist in given:
            raise parameters.missing("confirmed")
        return None
    seconds = DEFAULT_TIMEOUT if timeout is None else parameters.number(timeout)
    return Confirmed(timeout=seconds, persist=_text(given, persist))


def _flag(given: Parameters, name: str) -> bool:
    """Read a leaf of type empty: whether it is there."""
    element = given.get(name)
    if element is not None and (len(element) or parameters.text(element)):
        raise parameters.fault(ErrorTag.INVALID_VALUE, f"{name} is empty", element=name)
    return element is not None


def _words(given: Parameters, name: str, longest: int) -> str:
    """Read words for the history; empty where they are not given."""
    words = _text(given, name)
    if words is not None and not 1 <= len(words) <= longest:
        message = f"{name}: there may be 1 to {longest} characters"
        raise parameters.fault(ErrorTag.INVALID_VALUE, message, element=name)
    return words or ""


def _text(given: Parameters, name: str) -> str | None:
    """Read a string as it is; None where it is not given."""
    element = given.get(name)
    return None if element is None else element.text or ""


OPERATIONS: Final[Mapping[str, OperationRow]] = {
    base("commit"): OperationRow(
        commit,
        {
            "confirmed": False,
            "confirm-timeout": False,
            "persist": False,
            "persist-id": False,
            management("comment"): False,
            management("label"): False,
            management("dry-run"): False,
        },
    ),
    base("cancel-commit"): OperationRow(cancel_commit, {"persist-id": False}),
}
