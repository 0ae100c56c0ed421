"""Packets that the kernel samples and hands out by the psample family of generic netlink."""

from flowexport_mgmt.sources.psample.setup import NOT_LOADED, Psample, find_psample

__all__ = ["NOT_LOADED", "Psample", "find_psample"]
