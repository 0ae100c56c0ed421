"""What the doctor says of a host, of sources and of collectors, and the command it gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.runtimes import Plane

from flowexport_mgmt.export import OWN_FACILITIES, EndpointError
from flowexport_mgmt.link.messages import Finding, FindingStatus
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model import interfaces as ifs
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.runtime.doctor import Evidence, HostFacts, diagnose, read_facts
from flowexport_mgmt.runtime.doctor.collectors import check_collectors
from flowexport_mgmt.sources.conntrack.switches import Switches

OK, WARNING, ERROR = FindingStatus

WELL = HostFacts(
    release="6.1.0",
    capabilities=1 << 12,
    loaded=frozenset(
        (
            "psample",
            "act_sample",
            "cls_matchall",
            "sch_ingress",
            "nf_conntrack",
            "nf_conntrack_netlink",
        )
    ),
    switches=Switches(1, 1, 1),
    connections=10,
    max_connections=1000,
    rmem_max=1 << 28,
    wmem_max=1 << 20,
    descriptors=20,
    max_descriptors=1024,
)
SAMPLING = fe.FlowExport(
    collector=(fe.Collector(name="a", address="127.0.0.1", protocol=fe.Protocol.SFLOW),),
    sampling=fe.Sampling(interface=(fe.SamplingInterface(name="eth0", rate=10),)),
    conntrack=fe.Conntrack(enabled=True),
)
COLLECTORS = fe.FlowExport(collector=SAMPLING.collector)
ETH0 = ifs.Interface(
    name="eth0",
    type="iana-if-type:ethernetCsmacd",
    enabled=True,
    oper_status=ifs.InterfaceOperStatus.UP,
)


def look(
    config: fe.FlowExport | None,
    facts: HostFacts = WELL,
    state: fe.FlowExportState | None = None,
    *interfaces: ifs.Interface,
) -> dict[tuple[str, str | None], Finding]:
    evidence = Evidence(
        config,
        state or fe.FlowExportState(),
        ifs.Interfaces(interface=interfaces or (ETH0,)),
        OWN_FACILITIES,
    )
    return {(found.check, found.subject): found for found in diagnose(evidence, facts)}


def changed(**facts: object) -> HostFacts:
    given = {name: getattr(WELL, name) for name in HostFacts.__dataclass_fields__}
    return HostFacts(**{**given, **facts})


def test_a_host_that_has_everything_is_well() -> None:
    found = look(SAMPLING)
    assert {finding.status for finding in found.values()} <= {OK, WARNING}
    assert {check for check, _ in found} >= {
        "capability",
        "module",
        "conntrack-accounting",
        "conntrack-events",
        "conntrack-timestamps",
        "conntrack-table-size",
        "socket-buffers",
        "interface",
        "collector",
        "descriptors",
    }


@pytest.mark.parametrize(
    ("facts", "check", "subject", "status", "words", "remedy"),
    [
        (
            {"capabilities": 0},
            "capability",
            "CAP_NET_ADMIN",
            ERROR,
            "without which sampling and conntrack cannot work",
            "systemctl start flowexportd",
        ),
        (
            {"loaded": frozenset(), "available": frozenset(("psample",))},
            "module",
            "psample",
            WARNING,
            "not loaded",
            "modprobe -a psample act_sample cls_matchall sch_ingress",
        ),
        (
            {"loaded": frozenset()},
            "module",
            "act_sample",
            ERROR,
            "kernel 6.1.0 does not have it",
            "linux-image-amd64",
        ),
        (
            {"switches": Switches(0, 1, 1)},
            "conntrack-accounting",
            "net.netfilter.nf_conntrack_acct",
            ERROR,
            "not counted",
            "sysctl -w net.netfilter.nf_conntrack_acct=1",
        ),
        (
            {"switches": Switches(1, 0, 1)},
            "conntrack-timestamps",
            "net.netfilter.nf_conntrack_timestamp",
            WARNING,
            "beginnings",
            "sysctl -w net.netfilter.nf_conntrack_timestamp=1",
        ),
        (
            {"switches": Switches(1, 1, 2)},
            "conntrack-events",
            "net.netfilter.nf_conntrack_events",
            WARNING,
            "were there before",
            "sysctl -w net.netfilter.nf_conntrack_events=1",
        ),
        (
            {"switches": Switches()},
            "conntrack-events",
            "net.netfilter.nf_conntrack_events",
            ERROR,
            "no connection tracking",
            "modprobe nf_conntrack_netlink",
        ),
        (
            {"connections": 900},
            "conntrack-table-size",
            "net.netfilter.nf_conntrack_max",
            WARNING,
            "900 of 1000",
            "sysctl -w net.netfilter.nf_conntrack_max=2000",
        ),
        (
            {"connections": 999},
            "conntrack-table-size",
            "net.netfilter.nf_conntrack_max",
            ERROR,
            "refuses new ones",
            "nf_conntrack_max=2000",
        ),
        (
            {"capabilities": 0, "rmem_max": 212992},
            "socket-buffers",
            "net.core.rmem_max",
            WARNING,
            "212992 octets",
            "sysctl -w net.core.rmem_max=67108864",
        ),
        (
            {"descriptors": 1000},
            "descriptors",
            "exporter",
            WARNING,
            "1000 of 1024",
            "LimitNOFILE=4096",
        ),
    ],
)
def test_what_the_host_lacks(
    *,
    facts: dict[str, object],
    check: str,
    subject: str,
    status: FindingStatus,
    words: str,
    remedy: str,
) -> None:
    found = look(SAMPLING, changed(**facts))[check, subject]
    assert found.status is status
    assert words in found.message
    assert remedy in (found.remedy or "")


def test_what_nobody_configured_is_no_fault() -> None:
    bare = HostFacts(release="6.1.0", rmem_max=212992, wmem_max=212992, max_descriptors=1024)
    found = look(COLLECTORS, bare)
    assert {f.status for (check, _), f in found.items() if check != "collector"} == {OK}
    assert found["conntrack-events", "net.netfilter.nf_conntrack_events"].remedy


def test_without_collectors_nothing_is_exported() -> None:
    found = look(fe.FlowExport())["collector", None]
    assert found.status is WARNING
    assert "nothing is exported" in found.message


@pytest.mark.parametrize(
    ("interface", "fares", "status", "words", "remedy"),
    [
        (ifs.Interface(name="eth1"), None, ERROR, "no interface of this name", "ip -brief link"),
        (
            ifs.Interface(name="eth0", oper_status=ifs.InterfaceOperStatus.DOWN),
            None,
            WARNING,
            "down",
            "ip link set dev eth0 up",
        ),
        (
            ETH0,
            (OperStatus.DEGRADED, "psample: kernel module not loaded: modprobe psample act_sample"),
            ERROR,
            "not sampled: psample",
            "modprobe psample act_sample",
        ),
        (ETH0, (OperStatus.UP, None), OK, "up, and sampled", ""),
    ],
)
def test_an_interface_that_is_sampled(
    interface: ifs.Interface,
    fares: tuple[OperStatus, str | None] | None,
    status: FindingStatus,
    words: str,
    remedy: str,
) -> None:
    statistics = fares and fe.SamplingInterfaceStatistics(
        oper_status=fares[0], oper_reason=fares[1]
    )
    state = fe.FlowExportState(
        sampling=fe.SamplingState(
            interface=(fe.SamplingInterfaceState(name="eth0", statistics=statistics),)
        )
    )
    found = look(SAMPLING, WELL, state, interface)["interface", "eth0"]
    assert found.status is status
    assert words in found.message
    assert remedy in (found.remedy or "")


def test_a_source_that_is_degraded_and_one_that_lost_something() -> None:
    reason = "flows are not counted: sysctl -w net.netfilter.nf_conntrack_acct=1"
    state = fe.FlowExportState(
        conntrack=fe.ConntrackState(
            oper_status=OperStatus.DEGRADED, oper_reason=reason, events_lost=3
        )
    )
    found = look(SAMPLING, WELL, state)
    assert found["source", "conntrack"].status is WARNING
    assert found["source", "conntrack"].remedy == "sysctl -w net.netfilter.nf_conntrack_acct=1"
    assert "3 times" in found["socket-buffers", "conntrack"].message


def collector(
    problem: EndpointError | None = None,
    statistics: fe.CollectorStatistics | None = None,
    **leaves: object,
) -> dict[str, Finding]:
    given = {"name": "a", "address": "192.0.2.9", "port": 2055, "protocol": fe.Protocol.IPFIX}
    config = fe.FlowExport(collector=(fe.Collector(**{**given, **leaves}),))  # type: ignore[arg-type]

    def attempt(_: fe.Collector) -> None:
        if problem is not None:
            raise problem

    state = fe.FlowExportState(collector=(fe.CollectorState(name="a", statistics=statistics),))
    return {found.check: found for found in check_collectors(config, state, attempt)}


def test_a_source_address_that_is_not_here() -> None:
    gone = EndpointError("source-address", "source-address 192.0.2.1: not an address of this host")
    found = collector(gone, source_address="192.0.2.1")
    assert found["source-address"].status is ERROR
    assert found["source-address"].remedy == "ip address add 192.0.2.1/32 dev INTERFACE"
    assert found["collector"].status is ERROR


@pytest.mark.parametrize(
    ("status", "reason", "grade", "remedy"),
    [
        (OperStatus.DEGRADED, "Connection refused (ECONNREFUSED)", WARNING, "ss -ulnp"),
        (OperStatus.DOWN, "Network is unreachable (ENETUNREACH)", ERROR, "ip route get 192.0.2.9"),
        (OperStatus.UP, None, OK, ""),
    ],
)
def test_a_collector_as_its_state_tells(
    status: OperStatus, reason: str | None, grade: FindingStatus, remedy: str
) -> None:
    fares = fe.CollectorStatistics(oper_status=status, oper_reason=reason, datagrams_sent=4)
    found = collector(None, fares)["collector"]
    assert found.status is grade
    assert remedy in (found.remedy or "")


def test_a_collector_that_is_disabled_is_not_tried() -> None:
    found = collector(EndpointError("address", "never"), enabled=False)["collector"]
    assert (found.status, found.message) == (OK, "disabled by configuration")


def test_a_collector_that_drops() -> None:
    fares = fe.CollectorStatistics(oper_status=OperStatus.UP, dropped_records=7)
    found = collector(None, fares)["collector"]
    assert found.status is WARNING
    assert "7 records" in found.message


def test_facts_are_read(tmp_path: Path) -> None:
    proc, sys, lib = tmp_path / "proc", tmp_path / "sys", tmp_path / "lib"
    release = read_facts().release
    for file, text in (
        (proc / "self" / "status", "Name:\tx\nCapEff:\t0000000000001000\n"),
        (proc / "self" / "fd" / "0", ""),
        (proc / "sys" / "net" / "netfilter" / "nf_conntrack_count", "5\n"),
        (proc / "sys" / "net" / "netfilter" / "nf_conntrack_max", "50\n"),
        (proc / "sys" / "net" / "netfilter" / "nf_conntrack_acct", "1\n"),
        (proc / "sys" / "net" / "core" / "rmem_max", "100\n"),
        (sys / "module" / "psample" / "x", ""),
        (lib / release / "modules.builtin", "kernel/net/sched/sch_ingress.ko\n"),
        (lib / release / "modules.dep", "kernel/net/sched/act_sample.ko.xz: kernel/psample.ko\n"),
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    facts = read_facts(proc, sys, lib)
    assert facts.capabilities == 1 << 12
    assert facts.loaded == {"psample", "sch_ingress"}
    assert facts.available == {"act_sample"}
    assert (facts.connections, facts.max_connections) == (5, 50)
    assert (facts.switches.acct, facts.rmem_max, facts.wmem_max) == (1, 100, None)
    assert facts.descriptors == 1


def test_a_runtime_gives_its_evidence(data_plane: Plane) -> None:
    data_plane.commit(fe.Collector(name="a", address="127.0.0.1", protocol=fe.Protocol.SFLOW))
    found = diagnose(data_plane.runtime.evidence(), WELL)
    assert "a" in {finding.subject for finding in found if finding.check == "collector"}
