"""Simulated devices as foreign collectors and clients see them: one program, four protocols.

The program runs once; what it sent stands in its ledger, and each judge says what it received.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from interop.flow_collectors import FlowCollector
from interop.judges import Capture, Sfacctd
from interop.namespaces import Namespace, eventually, namespace, run
from lxml import etree
from ncclient import manager

pytestmark = pytest.mark.alone

PROGRAM = Path(sys.executable).with_name("flowexport-sim")
FES = "urn:flowexport:flow-export-simulation"
SECONDS = 14
JSON = "Content-Type: application/json"
API = "http://localhost:8080/api/v1"


@dataclass
class Lab:
    """What ran, what it said of itself, and who listened."""

    netflow: FlowCollector
    ipfix: FlowCollector
    sflow: FlowCollector
    sfacctd: Sfacctd
    capture: Capture
    v6_port: int
    ledger: dict[str, Any]
    answers: dict[str, Any]
    edited: str

    def records(self, group: str) -> dict[str, int]:
        """Give the flow records that each device of a group sent."""
        return {
            device["address"]: device["sent_records"]
            for device in self.ledger["devices"]
            if device["group"] == group
        }


def curl(space: Namespace, *words: str) -> Any:
    """Run curl as the documentation of such a simulator writes it."""
    text = run("ip", "netns", "exec", space.name, "curl", "-s", *words)
    return json.loads(text) if text.startswith("{") else text


def post(space: Namespace, **members: Any) -> Any:
    body = json.dumps(members)
    return curl(space, "-X", "POST", f"{API}/devices", "-H", JSON, "-d", body)


def flow(port: int, protocol: str, host: str = "127.0.0.1") -> dict[str, str]:
    return {
        "collector": f"{host}:{port}",
        "protocol": protocol,
        "tick_interval": "1s",
        "active_timeout": "2s",
        "inactive_timeout": "1s",
    }


def edit_over_netconf(space: Namespace, log: Path) -> str:
    """Change a group that REST made, by a client that knows nothing of REST."""
    words = next(line for line in log.read_text().splitlines() if line.startswith("user "))
    _, user, _, password = words.replace(",", "").split()[:4]
    config = (
        '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">'
        f'<simulation xmlns="{FES}"><device-group><name>rest-1</name>'
        "<flow><active-timeout>3000</active-timeout></flow></device-group></simulation></config>"
    )
    with (
        space.entered(),
        manager.connect_ssh(
            host="127.0.0.1",
            port=8300,
            username=user,
            password=password,
            hostkey_verify=False,
            look_for_keys=False,
            allow_agent=False,
            timeout=20,
        ) as session,
    ):
        session.edit_config(target="candidate", config=config)
        session.commit()
        reply = session.get_config("running", filter=("subtree", f'<simulation xmlns="{FES}"/>'))
    return etree.tostring(reply.data_ele).decode()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    with namespace() as space:
        made = run_lab(space, folder)
        yield made
        made.sfacctd.stop()


def run_lab(space: Namespace, folder: Path) -> Lab:
    collectors = []
    for judge, name in (("nfcapd", "netflow"), ("nfcapd", "ipfix"), ("sfcapd", "sflow")):
        (folder / name).mkdir()
        collectors.append(FlowCollector(judge, space, folder / name))
    netflow, ipfix, sflow = collectors
    sfacctd = Sfacctd(space, folder / "sfacctd")
    capture = Capture(space, folder / "capture")
    log, ledger = folder / "sim.log", folder / "ledger.json"
    with space.udp("::1") as sink:
        v6_port = sink.getsockname()[1]
        program = space.start(
            [
                *(str(PROGRAM), "-auto-start-ip", "10.42.0.1", "-auto-count", "40"),
                *("-flow-collector", f"127.0.0.1:{netflow.port}", "-flow-protocol", "netflow9"),
                *("-flow-tick-interval", "1", "-flow-active-timeout", "2"),
                *("-netconf-port", "8300", "--duration", str(SECONDS), "--ledger", str(ledger)),
            ],
            log,
        )
        eventually(lambda: "password" in log.read_text(), f"it runs; see {log}", 30)
        answers = ask(space, netflow.port, ipfix.port, sflow.port, v6_port, sfacctd.port)
        edited = edit_over_netconf(space, log)
        assert program.wait(90) == 0, log.read_text()
    capture.stop()
    return Lab(
        netflow,
        ipfix,
        sflow,
        sfacctd,
        capture,
        v6_port,
        json.loads(ledger.read_text()),
        answers,
        edited,
    )


def ask(space: Namespace, *ports: int) -> dict[str, Any]:
    """Make devices of every protocol beside those of the command line.

    ``ports`` are those of the collectors: of NetFlow, IPFIX, sFlow, IPFIX over IPv6, and sfacctd's.
    """
    netflow, ipfix, sflow, v6, sfacctd = ports
    answers: dict[str, Any] = {
        "v5": post(
            space,
            start_ip="10.43.0.1",
            device_count=20,
            netmask="24",
            flow=flow(netflow, "netflow5"),
        ),
        "ipfix": post(space, start_ip="10.44.0.1", device_count=20, flow=flow(ipfix, "IPFIX")),
        "sflow": post(space, start_ip="10.45.0.1", device_count=20, flow=flow(sflow, "sflow")),
        "v6": post(
            space,
            start_ip="2001:db8:46::1",
            device_count=10,
            flow=flow(v6, "ipfix", "[::1]"),
        ),
        "silent": post(space, start_ip="10.46.0.1", device_count=3),
    }
    to = flow(sfacctd, "sflow")
    answers["agents"] = post(space, start_ip="10.47.0.1", device_count=10, flow=to)
    answers["taken"] = post(space, start_ip="10.46.0.3", device_count=1)
    answers["list"] = curl(space, f"{API}/devices?limit=5")
    answers["one"] = curl(space, f"{API}/devices/10.43.0.7")
    answers["deleted"] = curl(space, "-X", "DELETE", f"{API}/devices/10.46.0.2")
    answers["gone"] = curl(space, f"{API}/devices/10.46.0.2")
    answers["csv"] = curl(space, f"{API}/devices/export")
    answers["status"] = curl(space, f"{API}/flows/status")
    form = ("-X", "POST", f"{API}/devices", "-d", "{}", "-o", "/dev/null", "-w", "%{http_code}")
    answers["form"] = str(curl(space, *form))
    return answers


def test_requests_are_answered_as_existing_scripts_expect(lab: Lab) -> None:
    answers = lab.answers
    assert answers["v5"] == {
        "success": True,
        "message": "Created 20 devices starting from 10.43.0.1",
        "data": {"created": 20, "requested": 20, "failed": 0},
    }
    for name in ("ipfix", "sflow", "v6", "silent", "agents"):
        assert answers[name]["success"], answers[name]
    assert answers["taken"] == {
        "success": False,
        "message": "start_ip: address 10.46.0.3 is taken by device-group rest-5",
    }
    assert len(answers["list"]["data"]) == 5
    assert answers["one"]["data"]["flow"]["protocol"] == "netflow5"
    assert (answers["deleted"]["success"], answers["gone"]["success"]) == (True, False)
    assert answers["csv"].startswith("ip,group,")
    assert answers["form"] == "415"
    status = answers["status"]
    assert status["subsystem_active"]
    assert len(status["collectors"]) == 6
    assert status["devices_exporting"] == 120


def test_a_group_that_rest_made_is_edited_over_netconf(lab: Lab) -> None:
    assert "<active-timeout>3000</active-timeout>" in lab.edited
    assert "<start-address>10.43.0.1</start-address>" in lab.edited


def test_nothing_failed(lab: Lab) -> None:
    assert lab.ledger["totals"]["send_failures"] == 0
    assert min(lab.records("auto").values()) > 0


def test_nfcapd_has_what_the_ledger_says(lab: Lab) -> None:
    totals = lab.netflow.totals()
    sent = {**lab.records("auto"), **lab.records("rest-1")}
    assert totals.flows == sum(sent.values())
    assert totals.sequence_errors == 0
    got = Counter(line for line in lab.netflow.read("%ra") if line)
    assert got == sent


def test_flows_are_plausible_to_nfdump(lab: Lab) -> None:
    ends = 0
    for line in lab.netflow.read("%pr,%dp,%flg,%ts,%te,%tr"):
        protocol, port, flags, start, end, received = line.split(",")
        assert start <= end <= received
        assert "F" not in flags or protocol == "6"
        if protocol == "17":
            assert port in {"443", "53"}
        ends += "F" in flags or "R" in flags
    assert ends > 0


def test_tshark_finds_no_fault_in_ipfix(lab: Lab) -> None:
    for group, port in (("rest-2", lab.ipfix.port), ("rest-4", lab.v6_port)):
        assert lab.capture.faults(port, "cflow") == []
        sources = Counter(
            source
            for rows in lab.capture.rows(port, "cflow", "ip.src", "ipv6.src")
            for source in rows
            if source
        )
        assert {str(ip_address(s)) for s in sources} == set(lab.records(group))
    totals = lab.ipfix.totals()
    assert totals.flows == sum(lab.records("rest-2").values())


def test_no_flow_ends_after_its_export(lab: Lab) -> None:
    """To tshark, whose instants have nine digits of a fraction."""
    ipfix = lab.capture.rows(lab.ipfix.port, "cflow", "cflow.exporttime", "cflow.abstimeend")
    ends = [
        (float(exported), to_seconds(end))
        for exported, told in ipfix
        for end in re.findall(r"(\w{3} +\d+, \d{4} [\d:]+\.\d{6})\d* UTC", told)
    ]
    assert len(ends) == sum(lab.records("rest-2").values())
    netflow = lab.capture.rows(lab.netflow.port, "cflow", "cflow.sysuptime", "cflow.timeend")
    ends += [(float(up), float(end)) for up, told in netflow for end in told.split(",") if end]
    assert [(exported, end) for exported, end in ends if end > exported] == []


def to_seconds(text: str) -> float:
    return datetime.strptime(text, "%b %d, %Y %H:%M:%S.%f").replace(tzinfo=UTC).timestamp()


def test_sfcapd_has_a_sample_for_each_record(lab: Lab) -> None:
    sent = lab.records("rest-3")
    totals = lab.sflow.totals()
    assert totals.flows == sum(sent.values()) > 0


def test_sfacctd_takes_each_device_for_an_agent(lab: Lab) -> None:
    sent = lab.records("rest-6")
    assert min(sent.values()) > 0
    eventually(lambda: lab.sfacctd.flow_samples() == sent, "sfacctd has written what it has", 20)
    interfaces = {(agent, interface) for agent in sent for interface in (1, 2)}
    eventually(lambda: polled(lab.sfacctd) == interfaces, "and of counters too", 20)


def polled(sfacctd: Sfacctd) -> set[tuple[str, int]]:
    """Give the agents and interfaces whose counters it has."""
    return {(each["peer_ip_src"], each["ifIndex"]) for each in sfacctd.samples()}


def test_the_program_left_no_route(lab: Lab) -> None:
    assert lab.ledger["collectors"]
    done = subprocess.run(["pgrep", "-f", "flowexport-sim-[a-z0-9_]*/state"], check=False)
    assert done.returncode != 0
