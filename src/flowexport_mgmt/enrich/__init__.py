"""What is added to records: the routes of their addresses."""

from flowexport_mgmt.enrich.fib import Fib, FibReport

__all__ = ["Fib", "FibReport"]
