"""A collector that decodes, judges and shows what the exporter sends."""
