"""Where records come from."""

from flowexport_mgmt.sources.counters import CounterSource, Snapshot
from flowexport_mgmt.sources.details import Details
from flowexport_mgmt.sources.links import Link

__all__ = ["CounterSource", "Details", "Link", "Snapshot"]
