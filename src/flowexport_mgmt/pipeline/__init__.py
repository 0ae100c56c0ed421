"""From sources to exporters: bounded queues, pacing and drop counters."""

from flowexport_mgmt.pipeline.clock import read_clock
from flowexport_mgmt.pipeline.exchange import Exchange
from flowexport_mgmt.pipeline.lane import Lane, LaneReport
from flowexport_mgmt.pipeline.pipeline import Pipeline
from flowexport_mgmt.pipeline.poller import PollReport

__all__ = ["Exchange", "Lane", "LaneReport", "Pipeline", "PollReport", "read_clock"]
