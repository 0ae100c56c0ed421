"""Sampling by packet sockets: for kernels without act_sample, and for containers."""

from flowexport_mgmt.sources.packet.capture import Capture, CaptureCounters, Setting

__all__ = ["Capture", "CaptureCounters", "Setting"]
