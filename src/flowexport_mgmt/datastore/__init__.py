"""The transactional datastore that every door works on."""

from flowexport_mgmt.datastore.access import AccessControl
from flowexport_mgmt.datastore.calls import Action
from flowexport_mgmt.datastore.candidate import LogEntry
from flowexport_mgmt.datastore.changes import Change
from flowexport_mgmt.datastore.clock import Clock, Timer
from flowexport_mgmt.datastore.components import Component, Refusal, StateProvider, StateSnapshot
from flowexport_mgmt.datastore.confirm import DEFAULT_TIMEOUT, Confirmed, PendingError
from flowexport_mgmt.datastore.datastore import Datastore
from flowexport_mgmt.datastore.documents import check_document
from flowexport_mgmt.datastore.events import (
    Bus,
    ConfigurationChanged,
    ConfirmedCommitChanged,
    ConfirmEvent,
    Subscription,
)
from flowexport_mgmt.datastore.options import EditOptions, ErrorOption, Store, TestOption
from flowexport_mgmt.datastore.record import CommitRecord, PendingConfirm
from flowexport_mgmt.datastore.sessions import Session
from flowexport_mgmt.datastore.steps import Step, StepRefusedError

__all__ = [
    "DEFAULT_TIMEOUT",
    "AccessControl",
    "Action",
    "Bus",
    "Change",
    "Clock",
    "CommitRecord",
    "Component",
    "ConfigurationChanged",
    "ConfirmEvent",
    "Confirmed",
    "ConfirmedCommitChanged",
    "Datastore",
    "EditOptions",
    "ErrorOption",
    "LogEntry",
    "PendingConfirm",
    "PendingError",
    "Refusal",
    "Session",
    "StateProvider",
    "StateSnapshot",
    "Step",
    "StepRefusedError",
    "Store",
    "Subscription",
    "TestOption",
    "Timer",
    "check_document",
]
