"""Every check of the data plane, in the order in which an operator would look."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.export import Facilities, open_sender
from flowexport_mgmt.link.messages import Finding
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model import interfaces as ifs
from flowexport_mgmt.runtime.doctor.collectors import check_collectors
from flowexport_mgmt.runtime.doctor.facts import HostFacts, read_facts
from flowexport_mgmt.runtime.doctor.kernel import check_kernel
from flowexport_mgmt.runtime.doctor.sources import check_sources

_PATIENCE: Final = 3.0
"""Seconds after which collectors are judged by their state alone."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is configured, what the state says, and by what sockets are tried."""

    config: fe.FlowExport | None
    state: fe.FlowExportState
    interfaces: ifs.Interfaces
    facilities: Facilities


def diagnose(evidence: Evidence, facts: HostFacts | None = None) -> tuple[Finding, ...]:
    """Look at everything; sockets are tried, which may take seconds in other namespaces."""
    until = time.monotonic() + _PATIENCE
    facts = read_facts() if facts is None else facts
    findings = [*check_kernel(facts, evidence.config)]
    if evidence.config is not None:
        findings += check_sources(evidence.config, evidence.state, evidence.interfaces)

        def attempt(collector: fe.Collector) -> None:
            if time.monotonic() < until:
                open_sender(collector, evidence.facilities).close()

        findings += check_collectors(evidence.config, evidence.state, attempt)
    return tuple(findings)
