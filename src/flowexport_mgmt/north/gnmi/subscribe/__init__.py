"""Subscribe (specification, section 3.5)."""
