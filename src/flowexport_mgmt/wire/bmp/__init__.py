"""The BGP Monitoring Protocol: messages of a router to a station (RFC 7854, 8671, 9069)."""

from flowexport_mgmt.wire.bmp.decode import (
    Initiation,
    Message,
    Peer,
    PeerDown,
    PeerUp,
    RouteMonitoring,
    StatisticsReport,
    Termination,
    View,
    split,
)
from flowexport_mgmt.wire.bmp.runs import Run, Runs, split_runs

__all__ = [
    "Initiation",
    "Message",
    "Peer",
    "PeerDown",
    "PeerUp",
    "RouteMonitoring",
    "Run",
    "Runs",
    "StatisticsReport",
    "Termination",
    "View",
    "split",
    "split_runs",
]
