"""Reading the parameters of dynamic subscriptions (RFC 8639, section 4; RFC 8641, section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from lxml import etree

from flowexport_mgmt.datastore.notifiable import has_notifiable
from flowexport_mgmt.errors import ErrorTag, ManagementError
from flowexport_mgmt.north.netconf import filter_parameters, names, parameters
from flowexport_mgmt.north.netconf.notifications import stream
from flowexport_mgmt.north.netconf.notifications.errors import refuse
from flowexport_mgmt.north.netconf.notifications.push import OnChange, Periodic, Selection
from flowexport_mgmt.north.netconf.notifications.records import instant, now
from flowexport_mgmt.north.netconf.parameters import Parameters
from flowexport_mgmt.north.netconf.reading import Filter
from flowexport_mgmt.schema.nodes import SchemaNode

MIN_PERIOD: Final = 100
"""Centiseconds between the updates of a periodic subscription, at least."""

_CHANGES: Final = frozenset({"create", "delete", "insert", "move", "replace"})
_SUBSCRIBABLE: Final = frozenset({"running", "operational"})


def check_stream(given: Parameters) -> None:
    """Require the stream that there is."""
    element = given.get("stream")
    if element is None:
        raise parameters.missing("stream")
    if parameters.text(element) != stream.NAME:
        message = f"there is no stream {parameters.text(element)!r}; there is {stream.NAME}"
        raise parameters.fault(ErrorTag.INVALID_VALUE, message, element="stream")
    for name in ("periodic", "on-change", "datastore-subtree-filter", "datastore-xpath-filter"):
        if name in given:
            raise parameters.unknown_element(given[name])


def check_encoding(given: Parameters) -> None:
    """Refuse any encoding but XML."""
    element = given.get("encoding")
    if element is not None and parameters.identity(element, names.SUBSCRIBED) != "encode-xml":
        message = f"there is no encoding {parameters.text(element)!r}; there is encode-xml"
        raise refuse("encoding-unsupported", message)


def refuse_datastore(given: Parameters) -> None:
    """Refuse what does not fit a subscription to a stream."""
    if "datastore" in given:
        raise parameters.unknown_element(given["datastore"])


def replay_start(given: Parameters) -> datetime | None:
    """Read where a replay starts."""
    start = time(given, "replay-start-time")
    if start is not None and start > now():
        message = "a replay is of the past"
        raise parameters.fault(ErrorTag.INVALID_VALUE, message, element="replay-start-time")
    return start


def stop_time(given: Parameters) -> datetime | None:
    """Read when the subscription ends: in the future, or after the start of a replay."""
    stop, start = time(given, "stop-time"), time(given, "replay-start-time")
    if stop is not None and stop <= (start or now()):
        message = "it would end before it starts"
        raise parameters.fault(ErrorTag.INVALID_VALUE, message, element="stop-time")
    return stop


def time(given: Parameters, name: str) -> datetime | None:
    """Read a date and time; None where it is not given."""
    element = given.get(name)
    if element is None:
        return None
    try:
        return instant(parameters.text(element))
    except (ValueError, OverflowError):
        message = f"{name}: {parameters.text(element)!r} is no date and time with a zone"
        raise parameters.fault(ErrorTag.INVALID_VALUE, message, element=name) from None


def stream_filter(given: Parameters) -> Filter | None:
    """Read the filter of a subscription to the stream."""
    return _filter(given, "stream")


def datastore_filter(given: Parameters) -> Filter | None:
    """Read the filter of a subscription to a datastore."""
    return _filter(given, "datastore")


def _filter(given: Parameters, target: str) -> Filter | None:
    subtree, xpath = (given.get(f"{target}-{kind}-filter") for kind in ("subtree", "xpath"))
    if subtree is not None and xpath is not None:
        message = "there is a subtree filter already"
        name = f"{target}-xpath-filter"
        raise parameters.fault(ErrorTag.BAD_ELEMENT, message, element=name)
    if subtree is not None:
        return filter_parameters.subtree(subtree)
    return None if xpath is None else filter_parameters.xpath(xpath, _unsupported)


def _unsupported(reason: str) -> ManagementError:
    return refuse("filter-unsupported", reason, filter_failure_hint=reason)


def datastore(element: etree._Element) -> str:
    """Read the datastore."""
    name = parameters.identity(element, names.DATASTORES)
    if name not in _SUBSCRIBABLE:
        message = f"{parameters.text(element)!r} is none of {', '.join(sorted(_SUBSCRIBABLE))}"
        raise refuse("datastore-not-subscribable", message)
    return name


def trigger(given: Parameters) -> Periodic | OnChange:
    """Read what an update is sent on."""
    periodic, on_change = given.get("periodic"), given.get("on-change")
    if periodic is not None and on_change is not None:
        message = "updates are either periodic or on change"
        raise parameters.fault(ErrorTag.BAD_ELEMENT, message, element="on-change")
    if periodic is not None:
        return _periodic(periodic)
    if on_change is None:
        raise parameters.missing("periodic")
    return _on_change(on_change)


def modified(given: Parameters, before: Periodic | OnChange) -> Periodic | OnChange:
    """Read what an update is sent on from now on; the kind of trigger stays."""
    if "periodic" not in given and "on-change" not in given:
        return before
    after = trigger(given)
    if type(after) is not type(before):
        message = "a periodic subscription cannot become one on change, nor the other way round"
        element = "on-change" if isinstance(after, OnChange) else "periodic"
        raise parameters.fault(ErrorTag.BAD_ELEMENT, message, element=element)
    if isinstance(after, OnChange) and isinstance(before, OnChange):
        return OnChange(after.dampening, before.sync, before.excluded)
    return after


def check_trigger(
    selection: Selection, chosen: Periodic | OnChange, schemas: Mapping[str, SchemaNode]
) -> None:
    """Refuse to tell changes of what changes without a word, and too short periods."""
    if isinstance(chosen, Periodic):
        if chosen.period < MIN_PERIOD:
            message = f"the shortest period is {MIN_PERIOD} centiseconds"
            raise refuse("period-unsupported", message, period_hint=MIN_PERIOD)
        return
    paths = ("/",) if selection.chosen is None else selection.chosen.paths
    if not has_notifiable(paths, schemas):
        message = "nothing of the selection has its changes told: subscribe periodically"
        raise refuse("on-change-unsupported", message)


def _periodic(element: etree._Element) -> Periodic:
    given = _inner(element, {"period": True, "anchor-time": False})
    return Periodic(parameters.number(given["period"]), time(given, "anchor-time"))


def _on_change(element: etree._Element) -> OnChange:
    given = _inner(
        element, {"dampening-period": False, "sync-on-start": False, "excluded-change": False}
    )
    dampening, sync = given.get("dampening-period"), parameters.boolean(given, "sync-on-start")
    excluded = parameters.all_of(element, "excluded-change")
    return OnChange(
        0 if dampening is None else parameters.number(dampening),
        sync is not False,
        frozenset(map(_change, excluded)),
    )


def _change(element: etree._Element) -> str:
    name = parameters.text(element)
    if name not in _CHANGES:
        message = f"{name!r} is none of {', '.join(sorted(_CHANGES))}"
        raise parameters.fault(ErrorTag.INVALID_VALUE, message, element="excluded-change")
    return name


def _inner(element: etree._Element, taken: Mapping[str, bool]) -> Parameters:
    return parameters.check(element, taken, {names.PUSH: "ietf-yang-push"}, ("excluded-change",))
