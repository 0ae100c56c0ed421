"""Connections that the kernel tracks, as flows: dumps, events of their ends, kernel switches."""

from flowexport_mgmt.sources.conntrack.report import ConntrackReport, Mode, Settings
from flowexport_mgmt.sources.conntrack.source import ConntrackSource
from flowexport_mgmt.sources.conntrack.switches import Switches

__all__ = ["ConntrackReport", "ConntrackSource", "Mode", "Settings", "Switches"]
