"""Packets that the kernel samples and hands out by the psample family of generic netlink."""

from flowexport_mgmt.sources.psample.sampler import PsampleSampler

__all__ = ["PsampleSampler"]
