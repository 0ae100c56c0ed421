"""create-subscription (RFC 5277): one subscription for a session, until it ends or stopTime."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from flowexport_mgmt.errors import ErrorTag, ManagementError
from flowexport_mgmt.north.netconf import names, parameters
from flowexport_mgmt.north.netconf.calls import Call, OperationRow
from flowexport_mgmt.north.netconf.filter_parameters import check_filter, filter_of
from flowexport_mgmt.north.netconf.notifications import stream
from flowexport_mgmt.north.netconf.notifications.records import instant, now
from flowexport_mgmt.north.netconf.notifications.subscription import EventSubscription, Terms
from flowexport_mgmt.north.netconf.replies import Ok, Reply

_STREAM, _START, _STOP = "stream", "startTime", "stopTime"


class _Style:
    """The notifications of RFC 5277; a subscription that fails takes its session with it."""

    def replayed(self) -> bytes:
        """Tell that all past events were sent."""
        return f'<replayComplete xmlns="{names.NC_NOTIFICATIONS}"/>'.encode()

    def completed(self) -> bytes | None:
        """Tell that stopTime has come."""
        return f'<notificationComplete xmlns="{names.NC_NOTIFICATIONS}"/>'.encode()

    def terminated(self, _: str) -> bytes | None:
        """Say nothing: RFC 5277 has no word for it."""
        return None


async def create_subscription(call: Call) -> Reply:
    """Begin to send events on this session (RFC 5277, section 2.1.1)."""
    given = call.parameters
    _check_stream(given)
    if call.subscriptions.has_legacy(call.session):
        raise ManagementError.single(
            ErrorTag.OPERATION_FAILED, "this session has a subscription already"
        )
    terms = Terms(filter_of(given), *_period(given))
    await check_filter(terms.chosen, call.reader.evaluator)

    def forget() -> None:
        call.subscriptions.forget_legacy(call.session)

    subscription = EventSubscription(
        call.client,
        stream=call.subscriptions.stream,
        evaluator=call.reader.evaluator,
        style=_Style(),
        terms=terms,
        on_end=forget,
    )
    call.subscriptions.add_legacy(call.session, subscription)
    call.client.after_reply(subscription.begin)
    return Ok()


def _check_stream(given: parameters.Parameters) -> None:
    element = given.get(_STREAM)
    if element is not None and parameters.text(element) != stream.NAME:
        message = f"there is no stream {parameters.text(element)!r}; there is {stream.NAME}"
        raise parameters.fault(ErrorTag.INVALID_VALUE, message, element=_STREAM)


def _period(given: parameters.Parameters) -> tuple[datetime | None, datetime | None]:
    """Read where a replay starts and when the subscription ends."""
    start, stop = (_time(given, name) for name in (_START, _STOP))
    if start is not None and start > now():
        raise parameters.fault(ErrorTag.BAD_ELEMENT, "a replay is of the past", element=_START)
    if stop is not None and start is None:
        raise parameters.missing(_START)
    if stop is not None and start is not None and stop < start:
        raise parameters.fault(ErrorTag.BAD_ELEMENT, "it ends before it starts", element=_STOP)
    return start, stop


def _time(given: parameters.Parameters, name: str) -> datetime | None:
    element = given.get(name)
    if element is None:
        return None
    try:
        return instant(parameters.text(element))
    except (ValueError, OverflowError):
        message = f"{name}: {parameters.text(element)!r} is no date and time with a zone"
        raise parameters.fault(ErrorTag.INVALID_VALUE, message, element=name) from None


OPERATIONS: Final[Mapping[str, OperationRow]] = {
    f"{{{names.NOTIFICATION}}}create-subscription": OperationRow(
        create_subscription,
        {
            _STREAM: False,
            "filter": False,
            names.base("filter"): False,  # where some clients put it, ncclient among them
            _START: False,
            _STOP: False,
        },
    ),
}
