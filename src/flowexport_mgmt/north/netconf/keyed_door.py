"""What the doors share that need keys of their own before they can listen."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Generic, TypeVar

from flowexport_mgmt.link.broker import Broker
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.north.listener import Listener, Serve

_log = logging.getLogger(__name__)

_Settings = TypeVar("_Settings")
_Keys = TypeVar("_Keys")


@dataclass(frozen=True, slots=True)
class Plan(Generic[_Settings, _Keys]):
    """What a server will use after the commit that is being prepared.

    ``reason`` says why no keys could be read, or why those that were read before stay, and ``leaf``
    which setting names what will not do.
    """

    settings: _Settings
    keys: _Keys | None
    reason: str = ""
    leaf: str = ""


class KeyedDoor(Generic[_Settings, _Keys]):
    """A listener, and the keys by which its server shows who it is.

    A door reads both for its next plan in its own ``prepare``, and says in ``_use`` what becomes of
    them.
    """

    def __init__(self, name: str, broker: Broker, serve: Serve, *, retry_after: float) -> None:
        self._name = name
        self._listener = Listener(name, broker, serve, retry_after=retry_after)
        self._keys: _Keys | None = None
        self._reason = ""
        self._next: Plan[_Settings, _Keys] | None = None

    @property
    def is_short(self) -> bool:
        """Whether something is missing that may turn up by itself."""
        return bool(self._reason)

    async def apply(self) -> None:
        """Move to the new port, keys and settings."""
        plan, self._next = self._next, None
        if plan is not None:
            self._use(plan.settings, plan.keys)
            self._keys = plan.keys
            self._tell(plan)
            self._reason = plan.reason
        await self._listener.apply()

    async def abort(self) -> None:
        """Close the new port again."""
        self._next = None
        await self._listener.abort()

    async def stop_listening(self) -> None:
        """Accept no more."""
        await self._listener.stop()

    def _use(self, settings: _Settings, keys: _Keys | None) -> None:
        raise NotImplementedError

    def _status(self) -> tuple[OperStatus, str]:
        """Give how the door fares and, unless it is up, why."""
        if self._reason:
            short = OperStatus.DOWN if self._keys is None else OperStatus.DEGRADED
            return short, self._reason
        return self._listener.status, self._listener.reason

    def _tell(self, plan: Plan[_Settings, _Keys]) -> None:
        if plan.reason and plan.reason != self._reason:
            rest = "" if plan.keys is None else "; what was read before stays in use"
            _log.error("%s: %s%s", self._name, plan.reason, rest)
