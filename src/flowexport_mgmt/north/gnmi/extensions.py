"""The extensions of Set: who is master, and commits that have to be confirmed."""

from __future__ import annotations

import math
from typing import Any, Final

from flowexport_mgmt.datastore import DEFAULT_TIMEOUT, Confirmed
from flowexport_mgmt.datastore.record import PendingConfirm
from flowexport_mgmt.north.gnmi.status import Code, RpcError, invalid

_MAX_ROLES: Final = 256
_MAX_ID: Final = 1024


class Arbiter:
    """Remembers the highest election id of each role (gNMI master arbitration)."""

    def __init__(self) -> None:
        self._highest: dict[str, int] = {}

    def admit(self, arbitration: Any) -> None:
        """Let a request in if it comes from the master of its role.

        Raises:
            RpcError: PERMISSION_DENIED: another one has been elected since.
        """
        if arbitration is None:
            return
        if not arbitration.HasField("election_id"):
            raise invalid("master_arbitration: there is no election_id")
        role = str(arbitration.role.id)
        number = (arbitration.election_id.high << 64) | arbitration.election_id.low
        highest = self._highest.get(role, 0)
        if number < highest:
            high, low = highest >> 64, highest & 0xFFFFFFFFFFFFFFFF
            told = f"the election_id of the master is high {high} low {low}"
            raise RpcError(Code.PERMISSION_DENIED, f"master_arbitration: {told}")
        if role not in self._highest and len(self._highest) >= _MAX_ROLES:
            raise RpcError(Code.RESOURCE_EXHAUSTED, f"there are at most {_MAX_ROLES} roles")
        self._highest[role] = number


def check_commit(commit: Any, pending: PendingConfirm | None, *, has_operations: bool) -> str:
    """Check what is asked of confirmed commits, and give it: ``commit``, ``confirm`` and so on.

    Raises:
        RpcError: FAILED_PRECONDITION where a commit is pending that must not be, or none is that
            must be; INVALID_ARGUMENT for everything else.
    """
    action = commit.WhichOneof("action")
    if action is None:
        raise invalid("commit: there is no action")
    if not 1 <= len(commit.id) <= _MAX_ID:
        raise invalid(f"commit: an id has 1 to {_MAX_ID} characters")
    if action == "commit":
        if pending is not None:
            raise RpcError(Code.FAILED_PRECONDITION, "commit: a confirmed commit is pending")
        return str(action)
    if pending is None:
        raise RpcError(Code.FAILED_PRECONDITION, f"{action}: no confirmed commit is pending")
    if pending.persist != commit.id:
        raise invalid(f"{action}: the commit that is pending has another id")
    if has_operations:
        raise invalid(f"{action}: it comes without operations, a commit cannot be amended")
    return str(action)


def read_duration(holder: Any, *, needed: bool = False) -> Confirmed:
    """Read how long to wait for the confirmation; full seconds, rounded up.

    Raises:
        RpcError: it is missing where it is needed, or not greater than 0.
    """
    if not holder.HasField("rollback_duration"):
        if needed:
            raise invalid("rollback_duration is missing")
        return Confirmed(timeout=DEFAULT_TIMEOUT)
    duration = holder.rollback_duration
    seconds = math.ceil(duration.seconds + duration.nanos / 1_000_000_000)
    if duration.seconds < 0 or duration.nanos < 0 or not 1 <= seconds <= 0xFFFFFFFF:
        raise invalid("rollback_duration is not greater than 0")
    return Confirmed(timeout=seconds)
