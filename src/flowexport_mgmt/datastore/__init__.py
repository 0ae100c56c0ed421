"""The transactional datastore that every door works on."""

from flowexport_mgmt.datastore.changes import Change
from flowexport_mgmt.datastore.components import Component, Refusal, StateProvider, StateSnapshot
from flowexport_mgmt.datastore.datastore import Datastore
from flowexport_mgmt.datastore.documents import check_document
from flowexport_mgmt.datastore.events import Bus, ConfigurationChanged, Subscription
from flowexport_mgmt.datastore.options import EditOptions, ErrorOption, Store, TestOption
from flowexport_mgmt.datastore.record import CommitRecord
from flowexport_mgmt.datastore.sessions import Session

__all__ = [
    "Bus",
    "Change",
    "CommitRecord",
    "Component",
    "ConfigurationChanged",
    "Datastore",
    "EditOptions",
    "ErrorOption",
    "Refusal",
    "Session",
    "StateProvider",
    "StateSnapshot",
    "Store",
    "Subscription",
    "TestOption",
    "check_document",
]
