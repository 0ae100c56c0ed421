"""Sampling by packet sockets: for kernels without act_sample, and for containers."""

from flowexport_mgmt.sources.packet.capture import Capture, CaptureCounters, Setting, Spot
from flowexport_mgmt.sources.packet.setup import PacketSockets

__all__ = ["Capture", "CaptureCounters", "PacketSockets", "Setting", "Spot"]
