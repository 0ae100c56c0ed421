"""Logs, health, readiness and crash points."""
