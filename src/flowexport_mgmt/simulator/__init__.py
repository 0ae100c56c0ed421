"""Devices that do not exist, and the flows that they would see."""
