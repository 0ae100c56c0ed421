"""Dynamic subscriptions (RFC 8639, RFC 8640): to the stream or, by RFC 8641, to a datastore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flowexport_mgmt.north.netconf import names, parameters
from flowexport_mgmt.north.netconf.calls import Call, OperationRow
from flowexport_mgmt.north.netconf.filter_parameters import check_filter
from flowexport_mgmt.north.netconf.notifications import dynamic_parameters as given
from flowexport_mgmt.north.netconf.notifications.errors import refuse
from flowexport_mgmt.north.netconf.notifications.lifecycle import Subscription
from flowexport_mgmt.north.netconf.notifications.push import OnChange, PushSubscription, Selection
from flowexport_mgmt.north.netconf.notifications.records import timestamp
from flowexport_mgmt.north.netconf.notifications.structures import always, of_target, structured
from flowexport_mgmt.north.netconf.notifications.subscription import EventSubscription, Terms
from flowexport_mgmt.north.netconf.replies import Ok, Output, Reply


class _Style:
    """The notifications of RFC 8639 about one subscription."""

    def __init__(self, number: int) -> None:
        self._number = number

    def replayed(self) -> bytes:
        """Tell that all past events were sent."""
        return self._say("replay-completed")

    def completed(self) -> bytes | None:
        """Tell that stop-time has come; RFC 8639 tells only configured subscriptions."""
        return None

    def terminated(self, reason: str) -> bytes | None:
        """Tell why it ends early."""
        return self._say("subscription-terminated", f"<reason>{reason}</reason>")

    def _say(self, name: str, more: str = "") -> bytes:
        xml = f'<{name} xmlns="{names.SUBSCRIBED}"><id>{self._number}</id>{more}</{name}>'
        return xml.encode()


async def establish(call: Call) -> Reply:
    """Make a subscription (RFC 8639, section 2.4.2)."""
    given.check_encoding(call.parameters)
    number = call.subscriptions.reserve(call.session)
    datastore = call.parameters.get("datastore")
    make = _events if datastore is None else _push
    subscription, more = await make(call, number)
    call.subscriptions.add(number, call.session, subscription)
    call.client.after_reply(subscription.begin)
    return Output(f'<id xmlns="{names.SUBSCRIBED}">{number}</id>{more}'.encode())


async def _events(call: Call, number: int) -> tuple[Subscription, str]:
    given.check_stream(call.parameters)
    journal = call.subscriptions.stream.journal
    start, stop = given.replay_start(call.parameters), given.stop_time(call.parameters)
    chosen = given.stream_filter(call.parameters)
    await check_filter(chosen, call.reader.evaluator)
    begins = journal.aged or journal.created
    more = ""
    if start is not None and start < begins:
        revised = timestamp(begins)
        leaf = "replay-start-time-revision"
        more = f'<{leaf} xmlns="{names.SUBSCRIBED}">{revised}</{leaf}>'
    subscription = EventSubscription(
        call.client,
        stream=call.subscriptions.stream,
        evaluator=call.reader.evaluator,
        style=_Style(number),
        terms=Terms(chosen, start, stop),
        on_end=lambda: call.subscriptions.forget(number),
    )
    return subscription, more


async def _push(call: Call, number: int) -> tuple[Subscription, str]:
    schemas = call.datastore.schema.top_nodes
    selection = await _selection(call)
    trigger = given.trigger(call.parameters)
    given.check_trigger(selection, trigger, schemas)
    subscription = PushSubscription(
        call.client,
        number=number,
        style=_Style(number),
        selection=selection,
        trigger=trigger,
        stop=given.stop_time(call.parameters),
        stream=call.subscriptions.stream,
        snapshots=call.subscriptions.snapshots,
        schemas=schemas,
        on_end=lambda: call.subscriptions.forget(number),
    )
    return subscription, ""


async def _selection(call: Call) -> Selection:
    selection = Selection(
        given.datastore(call.parameters["datastore"]), given.datastore_filter(call.parameters)
    )
    await check_filter(selection.chosen, call.reader.evaluator)
    return selection


async def modify(call: Call) -> Reply:
    """Change the filter, the period or the end of a subscription (RFC 8639, section 2.4.3)."""
    subscription = _own(call)
    stop = given.stop_time(call.parameters) or subscription.stop
    if isinstance(subscription, EventSubscription):
        given.refuse_datastore(call.parameters)
        chosen = given.stream_filter(call.parameters)
        await check_filter(chosen, call.reader.evaluator)
        subscription.modify(chosen, stop)
    elif isinstance(subscription, PushSubscription):
        await _modify_push(call, subscription)
    return Ok()


async def _modify_push(call: Call, subscription: PushSubscription) -> None:
    if "datastore" not in call.parameters:
        raise parameters.missing("datastore")
    selection = await _selection(call)
    trigger = given.modified(call.parameters, subscription.trigger)
    given.check_trigger(selection, trigger, call.datastore.schema.top_nodes)
    stop = given.stop_time(call.parameters) or subscription.stop
    subscription.modify(selection, trigger, stop)


async def delete(call: Call) -> Reply:
    """End a subscription of this session (RFC 8639, section 2.4.4)."""
    _own(call).end()
    return Ok()


async def kill(call: Call) -> Reply:
    """End a subscription of any session (RFC 8639, section 2.4.5)."""
    number = parameters.number(call.parameters["id"])
    subscription = call.subscriptions.find(number)
    if subscription is None:
        raise refuse("no-such-subscription", f"there is no subscription {number}")
    subscription.terminate("no-such-subscription")
    return Ok()


async def resync(call: Call) -> Reply:
    """Send everything once more (RFC 8641, section 4.4.4)."""
    number = parameters.number(call.parameters["id"])
    subscription = call.subscriptions.find(number, call.session)
    if not isinstance(subscription, PushSubscription):
        raise refuse("no-such-subscription-resync", f"there is no push subscription {number}")
    if not isinstance(subscription.trigger, OnChange):
        message = f"subscription {number} is periodic, so that it needs no resynchronization"
        raise refuse("no-such-subscription-resync", message)
    subscription.resync()
    return Ok()


def _own(call: Call) -> Subscription:
    number = parameters.number(call.parameters["id"])
    subscription = call.subscriptions.find(number, call.session)
    if subscription is None:
        message = f"this session has no subscription {number}"
        raise refuse("no-such-subscription", message)
    return subscription


def _sn(name: str) -> str:
    return f"{{{names.SUBSCRIBED}}}{name}"


def _yp(name: str) -> str:
    return f"{{{names.PUSH}}}{name}"


_TARGET: Final = {
    "stream-subtree-filter": False,
    "stream-xpath-filter": False,
    "stop-time": False,
    _yp("datastore"): False,
    _yp("datastore-subtree-filter"): False,
    _yp("datastore-xpath-filter"): False,
    _yp("periodic"): False,
    _yp("on-change"): False,
}

_DELETION: Final = always(_sn("delete-subscription-error-info"))

OPERATIONS: Final[Mapping[str, OperationRow]] = {
    _sn("establish-subscription"): OperationRow(
        structured(establish, of_target("establish-subscription")),
        {"stream": False, "replay-start-time": False, "encoding": False, **_TARGET},
    ),
    _sn("modify-subscription"): OperationRow(
        structured(modify, of_target("modify-subscription")), {"id": True, **_TARGET}
    ),
    _sn("delete-subscription"): OperationRow(structured(delete, _DELETION), {"id": True}),
    _sn("kill-subscription"): OperationRow(structured(kill, _DELETION), {"id": True}),
    _yp("resync-subscription"): OperationRow(
        structured(resync, always(_yp("resync-subscription-error"))), {"id": True}
    ),
}
