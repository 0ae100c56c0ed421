"""Rules of the kernel's traffic control that take samples (tc(8), tc-sample(8), tc-matchall(8))."""

from flowexport_mgmt.sources.tc.control import Control
from flowexport_mgmt.sources.tc.messages import Rule, Side
from flowexport_mgmt.sources.tc.rules import RuleError, Rules

__all__ = ["Control", "Rule", "RuleError", "Rules", "Side"]
