"""What the manager finds of its own: doors, certificates, the state folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.certificates import Authority

from flowexport_mgmt.app.doctor import (
    check_audit,
    check_certificates,
    check_doors,
    check_restarts,
    check_routes,
    check_state_folder,
)
from flowexport_mgmt.credentials import KeyFolders
from flowexport_mgmt.link.messages import FindingStatus
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.model.server import (
    Audit,
    HttpState,
    NetconfCallHomeState,
    NetconfSshState,
    NetconfState,
    ServerState,
)

OK, WARNING, ERROR = FindingStatus


def test_every_door_is_told_of() -> None:
    reason = "cannot listen on 127.0.0.1:830: Address already in use"
    state = ServerState(
        netconf=NetconfState(
            ssh=NetconfSshState(oper_status=OperStatus.DOWN, oper_reason=reason),
            call_home=(NetconfCallHomeState(name="noc", oper_status=OperStatus.DEGRADED),),
        ),
        http=HttpState(oper_status=OperStatus.UP),
    )
    found = {finding.subject: finding for finding in check_doors(state)}
    assert {subject: finding.status for subject, finding in found.items()} == {
        "netconf-ssh": ERROR,
        "netconf-call-home noc": WARNING,
        "http": OK,
    }
    assert (found["netconf-ssh"].message, found["netconf-ssh"].remedy) == (reason, "ss -tlnp")


def test_sources_of_routes_are_told_of() -> None:
    neighbors = (
        fe.EnrichmentIbgpNeighborState(
            address="192.0.2.1", session_state=fe.EnrichmentIbgpNeighborSessionState.ESTABLISHED
        ),
        fe.EnrichmentIbgpNeighborState(
            address="192.0.2.2",
            session_state=fe.EnrichmentIbgpNeighborSessionState.IDLE,
            last_error="hold timer expired",
        ),
    )
    enrichment = fe.EnrichmentState(
        ibgp=fe.EnrichmentIbgpState(
            neighbor=neighbors, oper_status=OperStatus.DOWN, oper_reason="port 179 is taken"
        )
    )
    found = {f.subject: f for f in check_routes(fe.FlowExportState(enrichment=enrichment))}
    assert {subject: finding.status for subject, finding in found.items()} == {
        "ibgp": ERROR,
        "ibgp 192.0.2.1": OK,
        "ibgp 192.0.2.2": ERROR,
    }
    assert "hold timer expired" in found["ibgp 192.0.2.2"].message
    assert list(check_routes(fe.FlowExportState())) == []


def test_lost_lines_and_restarts_are_told() -> None:
    assert list(check_audit(ServerState(audit=Audit(lines=3)))) == []
    (lost,) = check_audit(ServerState(audit=Audit(lines=3, failures=2)))
    assert (lost.status, lost.message) == (WARNING, "2 lines could not be written")
    assert [found.status for found in check_restarts(0)] == [OK]
    assert [found.status for found in check_restarts(2)] == [WARNING]


def test_a_state_folder(tmp_path: Path) -> None:
    (well,) = check_state_folder(tmp_path)
    assert well.status is OK
    (gone,) = check_state_folder(tmp_path / "gone")
    assert (gone.status, gone.remedy) == (ERROR, f"ls -ld {tmp_path / 'gone'}")


@pytest.mark.parametrize(
    ("days", "status", "words"),
    [(400, OK, "expires on"), (10, WARNING, "expires on"), (-1, ERROR, "expired on")],
)
def test_a_certificate(tmp_path: Path, days: int, status: FindingStatus, words: str) -> None:
    authority = Authority(tmp_path)
    authority.issue("noc", days=days)
    (found,) = check_certificates(named("noc.pem"), KeyFolders([tmp_path]), datetime.now(UTC))
    assert (found.subject, found.status) == ("noc.pem", status)
    assert words in found.message
    assert (found.remedy is None) == (status is OK)


def test_a_certificate_that_is_not_there_or_none(tmp_path: Path) -> None:
    (missing,) = check_certificates(named("noc.pem"), KeyFolders([tmp_path]), datetime.now(UTC))
    assert missing.status is ERROR
    assert "no such file" in missing.message
    (tmp_path / "noc.pem").write_text("no certificate")
    (broken,) = check_certificates(named("noc.pem"), KeyFolders([tmp_path]), datetime.now(UTC))
    assert broken.status is ERROR
    assert "cannot be read" in broken.message


def named(certificate: str) -> Configuration:
    tls = fe.CollectorTls(certificate=certificate)
    collector = fe.Collector(
        name="a",
        address="192.0.2.1",
        protocol=fe.Protocol.IPFIX,
        transport=fe.Transport.TLS,
        tls=tls,
    )
    return Configuration(flow_export=fe.FlowExport(collector=(collector,)))
