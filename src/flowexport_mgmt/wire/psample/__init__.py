"""Messages of the kernel's psample family of generic netlink (linux/psample.h)."""

from flowexport_mgmt.wire.psample.layouts import SAMPLE_DTYPE, UNKNOWN, GroupChange
from flowexport_mgmt.wire.psample.parser import Parsed, Parser

__all__ = ["SAMPLE_DTYPE", "UNKNOWN", "GroupChange", "Parsed", "Parser"]
