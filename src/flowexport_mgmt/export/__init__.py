"""Where records go."""

from flowexport_mgmt.export.collector import (
    Collector,
    Opened,
    StatusChanged,
    check_addresses,
    open_sender,
)
from flowexport_mgmt.export.endpoint import EndpointError, IpAddress
from flowexport_mgmt.export.instant import Instant
from flowexport_mgmt.export.sender import Sender, Sent
from flowexport_mgmt.export.statistics import Statistics

__all__ = [
    "Collector",
    "EndpointError",
    "Instant",
    "IpAddress",
    "Opened",
    "Sender",
    "Sent",
    "Statistics",
    "StatusChanged",
    "check_addresses",
    "open_sender",
]
