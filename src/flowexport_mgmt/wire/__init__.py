"""Bytes to columns and back: pure codecs, each with its strict decoder."""
