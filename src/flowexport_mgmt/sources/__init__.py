"""Where records come from."""

from flowexport_mgmt.sources.counters import CounterSource, Snapshot
from flowexport_mgmt.sources.links import Link

__all__ = ["CounterSource", "Link", "Snapshot"]
