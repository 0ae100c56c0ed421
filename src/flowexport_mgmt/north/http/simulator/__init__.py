"""Simulated devices over HTTP, as the programs that made such devices before expect it."""

from flowexport_mgmt.north.http.simulator.api import SimulatorApi

__all__ = ["SimulatorApi"]
