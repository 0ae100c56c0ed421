"""Messages of the kernel's psample family of generic netlink (linux/psample.h)."""

from flowexport_mgmt.wire.psample.layouts import SAMPLE_DTYPE, GroupChange
from flowexport_mgmt.wire.psample.parser import Parsed, Parser

__all__ = ["SAMPLE_DTYPE", "GroupChange", "Parsed", "Parser"]
