"""From typed configuration to running components."""
