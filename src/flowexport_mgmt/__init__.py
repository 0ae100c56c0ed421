"""A flow exporter for Linux that is managed like a router."""
