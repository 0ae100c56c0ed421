"""NETCONF over SSH and over the local Unix socket (RFC 6241, RFC 6242)."""
