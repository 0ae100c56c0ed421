"""Findings, made in one line each."""

from __future__ import annotations

from flowexport_mgmt.link.messages import Finding, FindingStatus
from flowexport_mgmt.model.base import OperStatus


def fine(
    check: str, message: str, subject: str | None = None, remedy: str | None = None
) -> Finding:
    """Say that nothing has to be done; a remedy is for what is not wanted at present."""
    return _make(FindingStatus.OK, check, message, subject, remedy)


def warn(
    check: str, message: str, subject: str | None = None, remedy: str | None = None
) -> Finding:
    """Say that something works, but not as well as it could."""
    return _make(FindingStatus.WARNING, check, message, subject, remedy)


def fail(
    check: str, message: str, subject: str | None = None, remedy: str | None = None
) -> Finding:
    """Say that something that is configured does not work."""
    return _make(FindingStatus.ERROR, check, message, subject, remedy)


def severity(status: OperStatus | None) -> FindingStatus:
    """Tell how bad a status of the state is."""
    if status is OperStatus.DEGRADED:
        return FindingStatus.WARNING
    if status in {OperStatus.UP, OperStatus.DISABLED, None}:
        return FindingStatus.OK
    return FindingStatus.ERROR


def remedy_of(reason: str | None) -> str | None:
    """Give the command that a reason ends with, as reasons of sources do: ``...: modprobe x``."""
    for part in (reason or "").split("; "):
        last = part.rpartition(": ")[2]
        if last.startswith(("modprobe ", "sysctl ", "ip ")):
            return last
    return None


def _make(
    status: FindingStatus, check: str, message: str, subject: str | None, remedy: str | None
) -> Finding:
    return Finding(check=check, subject=subject, status=status, message=message, remedy=remedy)
