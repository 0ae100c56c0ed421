"""Sessions with a NETCONF server: over the local Unix socket, or over SSH."""
