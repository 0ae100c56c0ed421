"""Where records go."""

from flowexport_mgmt.credentials import KeyFolders
from flowexport_mgmt.export.collector import Collector, Opened, StatusChanged
from flowexport_mgmt.export.endpoint import IpAddress
from flowexport_mgmt.export.failure import EndpointError
from flowexport_mgmt.export.instant import Instant
from flowexport_mgmt.export.opening import OWN_FACILITIES, Facilities, check_addresses, open_sender
from flowexport_mgmt.export.sender import Interest, Sender, Sent
from flowexport_mgmt.export.statistics import Statistics

__all__ = [
    "OWN_FACILITIES",
    "Collector",
    "EndpointError",
    "Facilities",
    "Instant",
    "Interest",
    "IpAddress",
    "KeyFolders",
    "Opened",
    "Sender",
    "Sent",
    "Statistics",
    "StatusChanged",
    "check_addresses",
    "open_sender",
]
