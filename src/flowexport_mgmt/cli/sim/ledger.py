"""What devices sent, asked from the daemon over its local socket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from lxml import etree

from flowexport_mgmt.cli.session.replies import nc
from flowexport_mgmt.cli.session.session import Session

SIMULATION: Final = "urn:flowexport:flow-export-simulation"
_PAGE: Final = 5000
_COUNTED: Final = ("sent-packets", "sent-bytes", "sent-records", "send-failures")
_NUMBERS: Final = frozenset((*_COUNTED, "sequence", "flows-active"))

Leaves = dict[str, str]


@dataclass(frozen=True, slots=True)
class Progress:
    """How all devices fare, and the sums over collectors."""

    status: str
    reason: str
    exporting: int
    sums: dict[str, int]
    exporters: list[Leaves]


def read_progress(session: Session) -> Progress:
    """Ask how all devices fare. Raises as `Session.ask`."""
    data = session.get([etree.Element(_name("simulation"))])
    found = data.find(_name("simulation"))
    state = {} if found is None else _leaves(found)
    exporters = [] if found is None else [_leaves(row) for row in found.iter(_name("exporter"))]
    return Progress(
        status=state.get("oper-status", ""),
        reason=state.get("oper-reason", ""),
        exporting=int(state.get("devices-exporting", "0")),
        sums={name: sum(int(row.get(name, "0")) for row in exporters) for name in _COUNTED},
        exporters=exporters,
    )


def rest(session: Session) -> None:
    """Let devices be silent, so that their counts stay as they are."""
    edit = etree.Element(nc("edit-config"))
    etree.SubElement(etree.SubElement(edit, nc("target")), nc("running"))
    config = etree.SubElement(edit, nc("config"))
    simulation = etree.SubElement(config, _name("simulation"))
    etree.SubElement(simulation, _name("enabled")).text = "false"
    session.ask(edit)


def _name(name: str) -> str:
    return f"{{{SIMULATION}}}{name}"


def _leaves(element: etree._Element) -> Leaves:
    return {etree.QName(leaf).localname: leaf.text or "" for leaf in element if not len(leaf)}


def write_ledger(path: Path, session: Session, started: datetime, seed: int | None) -> None:
    """Write what was sent, per collector and per device.

    Raises:
        OSError: the file cannot be written.
    """
    progress = read_progress(session)
    ledger = {
        "started": _instant(started),
        "ended": _instant(datetime.now(UTC)),
        "seed": seed,
        "collectors": [_row(exporter) for exporter in progress.exporters],
        "devices": list(_devices(session)),
        "totals": {_underscored(name): value for name, value in progress.sums.items()},
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(ledger), indent=1) + b"\n")


def _row(exporter: Leaves) -> dict[str, Any]:
    address, port = exporter["collector-address"], exporter["collector-port"]
    host = f"[{address}]" if ":" in address else address
    return {
        "collector": f"{host}:{port}",
        "protocol": exporter["protocol"],
        "devices": int(exporter.get("devices", "0")),
        **{_underscored(name): int(exporter.get(name, "0")) for name in _COUNTED},
    }


def _devices(session: Session) -> Iterator[dict[str, Any]]:
    offset, total = 0, 1
    while offset < total:
        page = {"offset": str(offset), "limit": str(_PAGE)}
        reply = session.call(SIMULATION, "devices", page)
        total = int(reply.findtext(_name("total")) or "0")
        entries = reply.findall(_name("device"))
        if not entries:
            return
        for entry in entries:
            yield {
                _underscored(name): int(text) if name in _NUMBERS else text
                for name, text in _leaves(entry).items()
            }
        offset += len(entries)


def _underscored(name: str) -> str:
    return name.replace("-", "_")


def _instant(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
