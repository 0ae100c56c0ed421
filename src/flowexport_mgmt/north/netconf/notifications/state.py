"""The stream and the subscriptions as operational state (RFC 5277, RFC 8639, RFC 8641)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from flowexport_mgmt.north.netconf.evaluation import XPathFilter
from flowexport_mgmt.north.netconf.notifications import stream
from flowexport_mgmt.north.netconf.notifications.push import (
    Periodic,
    PushSubscription,
)
from flowexport_mgmt.north.netconf.notifications.records import timestamp
from flowexport_mgmt.north.netconf.notifications.service import Held, Subscriptions
from flowexport_mgmt.north.netconf.notifications.subscription import EventSubscription
from flowexport_mgmt.north.netconf.reading import Filter

_Object = dict[str, Any]
_PUSH: Final = "ietf-yang-push:"


class SubscriptionState:
    """Reports the stream in both forms, and the dynamic subscriptions."""

    paths = ("/netconf", "/streams", "/subscriptions")

    def __init__(self, subscriptions: Subscriptions, modules: Mapping[str, str]) -> None:
        self._subscriptions = subscriptions
        self._modules = modules

    async def state(self, _: Sequence[str]) -> Mapping[str, _Object]:
        """Report all of it."""
        held = self._subscriptions.dynamic
        nodes: dict[str, _Object] = {
            "nc-notifications:netconf": {"streams": {"stream": [self._old_stream()]}},
            "ietf-subscribed-notifications:streams": {"stream": [self._stream()]},
        }
        if held:
            entries = [self._describe(number, one) for number, one in held.items()]
            nodes["ietf-subscribed-notifications:subscriptions"] = {"subscription": entries}
        return nodes

    def _old_stream(self) -> _Object:
        journal = self._subscriptions.stream.journal
        entry: _Object = {
            "name": stream.NAME,
            "description": stream.DESCRIPTION,
            "replaySupport": True,
            "replayLogCreationTime": timestamp(journal.created),
        }
        if journal.aged is not None:
            entry["replayLogAgedTime"] = timestamp(journal.aged)
        return entry

    def _stream(self) -> _Object:
        journal = self._subscriptions.stream.journal
        entry: _Object = {
            "name": stream.NAME,
            "description": stream.DESCRIPTION,
            "replay-support": [None],
            "replay-log-creation-time": timestamp(journal.created),
        }
        if journal.aged is not None:
            entry["replay-log-aged-time"] = timestamp(journal.aged)
        return entry

    def _describe(self, number: int, held: Held) -> _Object:
        session, subscription = held
        entry: _Object = {
            "id": number,
            "encoding": "encode-xml",
            "receivers": {
                "receiver": [
                    {
                        "name": f"session {session.id}",
                        "sent-event-records": str(subscription.sent),
                        "excluded-event-records": str(subscription.excluded),
                        "state": "active",
                    }
                ]
            },
        }
        if subscription.stop is not None:
            entry["stop-time"] = timestamp(subscription.stop)
        if isinstance(subscription, EventSubscription):
            entry |= self._event(subscription)
        elif isinstance(subscription, PushSubscription):
            entry |= self._push(subscription)
        return entry

    def _event(self, subscription: EventSubscription) -> _Object:
        entry: _Object = {"stream": stream.NAME}
        entry |= self._expression("stream-xpath-filter", subscription.chosen)
        if subscription.start is not None:
            entry["replay-start-time"] = timestamp(subscription.start)
        return entry

    def _push(self, subscription: PushSubscription) -> _Object:
        selection, trigger = subscription.selection, subscription.trigger
        entry: _Object = {f"{_PUSH}datastore": f"ietf-datastores:{selection.datastore}"}
        entry |= self._expression(f"{_PUSH}datastore-xpath-filter", selection.chosen)
        if isinstance(trigger, Periodic):
            periodic: _Object = {"period": trigger.period}
            if trigger.anchor is not None:
                periodic["anchor-time"] = timestamp(trigger.anchor)
            return entry | {f"{_PUSH}periodic": periodic}
        on_change: _Object = {"dampening-period": trigger.dampening, "sync-on-start": trigger.sync}
        if trigger.excluded:
            on_change["excluded-change"] = sorted(trigger.excluded)
        return entry | {f"{_PUSH}on-change": on_change}

    def _expression(self, name: str, chosen: Filter | None) -> _Object:
        """Give the leaf of an expression, whose prefixes are module names here."""
        text = chosen.in_modules(self._modules) if isinstance(chosen, XPathFilter) else None
        return {} if text is None else {name: text}
