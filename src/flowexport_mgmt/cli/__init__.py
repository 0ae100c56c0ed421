"""The operators' command line: a NETCONF client of its own."""
