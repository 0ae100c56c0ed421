"""From typed configuration to running components."""

from flowexport_mgmt.runtime.runtime import Runtime

__all__ = ["Runtime"]
