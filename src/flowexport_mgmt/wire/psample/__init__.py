"""Messages of the kernel's psample family of generic netlink (linux/psample.h)."""

from flowexport_mgmt.wire.psample.layouts import UNKNOWN, GroupChange, Samples
from flowexport_mgmt.wire.psample.parser import Parsed, Parser

__all__ = ["UNKNOWN", "GroupChange", "Parsed", "Parser", "Samples"]
