"""What an operation gets to work with, and how the table of operations describes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from lxml import etree

from flowexport_mgmt.datastore import Datastore, Session
from flowexport_mgmt.north.netconf.notifications.client import Client
from flowexport_mgmt.north.netconf.notifications.service import Subscriptions
from flowexport_mgmt.north.netconf.parameters import Parameters
from flowexport_mgmt.north.netconf.reading import Reader
from flowexport_mgmt.north.netconf.replies import Reply


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose parameters have been checked, and what it works on."""

    session: Session
    datastore: Datastore
    reader: Reader
    client: Client
    subscriptions: Subscriptions
    operation: etree._Element
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class OperationRow:
    """An operation: what carries it out, and its parameters with whether each must be given.

    A parameter of another module than the operation's is named in Clark notation. Those in
    ``repeated`` are leaf-lists. ``ends_session`` has the session closed once the reply is on its
    way. What is below one that ``is_open`` is a piece of the data: it reads that, and asks for
    access, itself.
    """

    run: Callable[[Call], Awaitable[Reply]]
    parameters: Mapping[str, bool] = field(default_factory=dict)
    repeated: frozenset[str] = frozenset()
    ends_session: bool = False
    is_open: bool = False
