"""``flowexport-sim``: simulated devices in one command."""
