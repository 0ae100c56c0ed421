"""The operation doctor: what the manager finds of its own, and what the exporter finds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from cryptography import x509

from flowexport_mgmt.app.folders import Folders
from flowexport_mgmt.credentials import CredentialsError, KeyFolders
from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.link import messages as m
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.flow_export import (
    EnrichmentIbgpNeighborSessionState,
    EnrichmentIbgpNeighborState,
    FlowExportState,
)

if TYPE_CHECKING:
    from flowexport_mgmt.app.exporter_link import ProcessLink
    from flowexport_mgmt.datastore import Datastore

_PATIENCE: Final = 15.0
_SOON: Final = timedelta(days=30)
_LEAST_FREE: Final = 64 << 20
"""Octets that a state folder should have left: commits and the audit log go there."""

_OK, _WARNING, _ERROR = m.FindingStatus
_GRADES: Final = {
    OperStatus.UP: _OK,
    OperStatus.DISABLED: _OK,
    OperStatus.DEGRADED: _WARNING,
}


class Doctor:
    """Examines when it is asked."""

    def __init__(self, datastore: Datastore, link: ProcessLink, folders: Folders) -> None:
        self._datastore = datastore
        self._link = link
        self._folders = folders

    async def examine(self, _parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """Make every check, the exporter's first; what cannot be asked is a finding too."""
        exporter = await self._ask_exporter()
        snapshot = await self._datastore.state(("/server", "/flow-export/enrichment"))
        server = snapshot.nodes.get("flow-export-server:server")
        configuration = self._datastore.configuration
        keys = KeyFolders(self._folders.keys)
        own = await asyncio.to_thread(
            lambda: [
                *check_state_folder(self._folders.state),
                *check_certificates(configuration, keys, datetime.now(UTC)),
            ]
        )
        routes = check_routes(snapshot.nodes.get("flow-export:flow-export"))
        doors = [*check_doors(server), *check_audit(server)]
        found = (*exporter, *routes, *doors, *own)
        return {"finding": [msgspec.to_builtins(finding) for finding in found]}

    async def _ask_exporter(self) -> tuple[m.Finding, ...]:
        check, subject = "process", "exporter"
        try:
            reply = await self._link.request(m.Diagnose(), _PATIENCE)
        except LinkError as error:
            return (_finding(_ERROR, check, subject, str(error), _JOURNAL),)
        if not isinstance(reply, m.Diagnosis):
            return (_finding(_ERROR, check, subject, f"it answered {reply}", _JOURNAL),)
        return (*check_restarts(self._link.restarts), *reply.findings)


_JOURNAL: Final = "journalctl -u flowexportd -n 50"


def check_restarts(restarts: int) -> Iterator[m.Finding]:
    """Tell of an exporter that had to be started again."""
    if restarts:
        words = f"it runs; it had to be started again {restarts} times"
        yield _finding(_WARNING, "process", "exporter", words, _JOURNAL)
    else:
        yield _finding(_OK, "process", "exporter", "it runs, since flowexportd started")


def check_doors(state: object, name: str = "") -> Iterator[m.Finding]:
    """Tell how each part of the management's state fares that says so."""
    if not isinstance(state, msgspec.Struct):
        return
    status, reason = getattr(state, "oper_status", None), getattr(state, "oper_reason", None)
    if isinstance(status, OperStatus):
        grade = _GRADES.get(status, _ERROR)
        mend = None if grade is _OK else _JOURNAL
        if "in use" in (reason or ""):
            mend = "ss -tlnp"
        yield _finding(grade, "door", name or "server", reason or str(status), mend)
    for field in state.__struct_fields__:
        inner = getattr(state, field)
        label = f"{name}-{field}" if name else field
        for entry in inner if isinstance(inner, tuple) else (inner,):
            own = getattr(entry, "name", None)
            full = f"{label} {own}" if isinstance(own, str) else label
            yield from check_doors(entry, full.replace("_", "-"))


def check_routes(state: object) -> Iterator[m.Finding]:
    """Tell how what is learned of routes from BGP and BMP fares, session by session."""
    enrichment = state.enrichment if isinstance(state, FlowExportState) else None
    if enrichment is None:
        return
    for name, part in (("ibgp", enrichment.ibgp), ("bmp", enrichment.bmp)):
        if part is not None and part.oper_status not in {None, OperStatus.DISABLED}:
            grade = _GRADES.get(part.oper_status, _ERROR)
            words = part.oper_reason or str(part.oper_status)
            mend = None if grade is _OK else _JOURNAL
            yield _finding(grade, "bgp-source", name, words, mend)
    for neighbor in () if enrichment.ibgp is None else enrichment.ibgp.neighbor:
        yield _check_neighbor(neighbor)


def _check_neighbor(neighbor: EnrichmentIbgpNeighborState) -> m.Finding:
    subject = f"ibgp {neighbor.address}"
    session = neighbor.session_state
    if session is EnrichmentIbgpNeighborSessionState.ESTABLISHED:
        return _finding(_OK, "bgp-source", subject, "established")
    words = f"no session: {session or 'unknown'}"
    if neighbor.last_error:
        words = f"{words}; the last one ended with: {neighbor.last_error}"
    mend = f"vtysh -c 'show bgp neighbors'  # at {neighbor.address}"
    return _finding(_ERROR, "bgp-source", subject, words, mend)


def check_audit(state: object) -> Iterator[m.Finding]:
    """Tell of lines of the audit log that are lost."""
    failures = getattr(getattr(state, "audit", None), "failures", None)
    if failures:
        words = f"{failures} lines could not be written"
        yield _finding(_WARNING, "audit", "audit.jsonl", words, _JOURNAL)


def check_state_folder(folder: Path) -> Iterator[m.Finding]:
    """Tell whether a commit could be written."""
    try:
        status = os.statvfs(folder)
    except OSError as error:
        words = error.strerror or str(error)
        yield _finding(_ERROR, "state-folder", str(folder), words, f"ls -ld {folder}")
        return
    free = status.f_bavail * status.f_frsize
    look = f"df -h {folder}; df -i {folder}"
    if not os.access(folder, os.W_OK | os.X_OK):
        words = "it cannot be written: commits are refused"
        yield _finding(_ERROR, "state-folder", str(folder), words, f"ls -ld {folder}")
    elif free < _LEAST_FREE or (status.f_files and not status.f_favail):
        words = f"{free >> 20} MiB and {status.f_favail} files left: commits are refused when full"
        yield _finding(
            _WARNING if free > 1 << 20 else _ERROR, "state-folder", str(folder), words, look
        )
    else:
        yield _finding(_OK, "state-folder", str(folder), f"{free >> 20} MiB left")


def check_certificates(
    configuration: msgspec.Struct, keys: KeyFolders, now: datetime
) -> Iterator[m.Finding]:
    """Tell when each certificate expires that the configuration names."""
    for name in sorted(set(_certificate_names(configuration))):
        yield _check_certificate(name, keys, now)


def _certificate_names(node: object) -> Iterator[str]:
    """Find the leaves ``certificate`` and ``ca`` wherever they are."""
    if isinstance(node, tuple):
        for entry in node:
            yield from _certificate_names(entry)
    elif isinstance(node, msgspec.Struct):
        for field in node.__struct_fields__:
            value = getattr(node, field)
            if field in {"certificate", "ca"} and isinstance(value, str):
                yield value
            else:
                yield from _certificate_names(value)


def _check_certificate(name: str, keys: KeyFolders, now: datetime) -> m.Finding:
    check = "certificate"
    try:
        path = keys.find(check, name)
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except CredentialsError as error:
        return _finding(_ERROR, check, name, str(error), "ls -l /var/lib/flowexport/tls")
    except (OSError, ValueError) as error:
        return _finding(_ERROR, check, name, f"it cannot be read: {error}", f"ls -l {name}")
    expiry = min(certificate.not_valid_after_utc for certificate in found)
    words = f"it expires on {expiry:%Y-%m-%d at %H:%M} UTC"
    renew = f"openssl x509 -noout -subject -enddate -in {path}; systemctl reload flowexportd"
    if expiry < now:
        return _finding(_ERROR, check, name, words.replace("expires", "expired"), renew)
    if expiry < now + _SOON:
        return _finding(_WARNING, check, name, words, renew)
    return _finding(_OK, check, name, words)


def _finding(
    status: m.FindingStatus, check: str, subject: str, message: str, remedy: str | None = None
) -> m.Finding:
    return m.Finding(check=check, subject=subject, status=status, message=message, remedy=remedy)
