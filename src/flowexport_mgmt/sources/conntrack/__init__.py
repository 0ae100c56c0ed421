"""Connections that the kernel tracks, as flows: dumps, events of their ends, kernel switches."""

from flowexport_mgmt.sources.conntrack.report import ConntrackReport, Settings
from flowexport_mgmt.sources.conntrack.source import ConntrackSource
from flowexport_mgmt.sources.conntrack.switches import Switches, release_switches

__all__ = ["ConntrackReport", "ConntrackSource", "Settings", "Switches", "release_switches"]
