"""gNMI clients that are not ours: pygnmi, grpcurl, and the tests of oc-config-validate."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from passlib.hash import sha512_crypt
from tests.support.conditions import wait_until
from tests.support.daemon import Collector, Daemon

CLIENTS = Path(__file__).resolve().parents[1] / ".cache" / "gnmi-clients" / "bin"
USER, PASSWORD = "ann", "secret"
LIST = "/flow-export/collector"

PYGNMI = """
import json, sys
from pygnmi.client import gNMIclient
port, ca, steps = int(sys.argv[1]), sys.argv[2], json.load(sys.stdin)
with gNMIclient(("localhost", port), username="ann", password="secret", path_root=ca) as client:
    for method, arguments in steps:
        for name in arguments.keys() & {"update", "replace"}:
            arguments[name] = [tuple(pair) for pair in arguments[name]]
        answer = getattr(client, method)(**arguments)
        if method == "subscribe2":
            found = []
            for message in answer:
                found.append(message)
                if len(found) == 3:
                    break
            answer = found
        print(json.dumps(answer, default=str))
"""


@dataclass(frozen=True)
class Server:
    daemon: Daemon
    folder: Path

    @property
    def ca(self) -> str:
        return str(self.folder / "ca.pem")

    @property
    def port(self) -> int:
        return self.daemon.gnmi_port

    def pygnmi(self, *steps: tuple[str, dict[str, Any]]) -> list[Any]:
        """Call methods of pygnmi's client, and give what each answered."""
        script = self.folder / "client.py"
        script.write_text(PYGNMI)
        command = [CLIENTS / "python", script, self.port, self.ca]
        return [json.loads(line) for line in run(command, json.dumps(steps)).splitlines()]

    def grpcurl(self, *words: str, data: Any = None) -> str:
        headers = ["-H", f"username:{USER}", "-H", f"password:{PASSWORD}", "-cacert", self.ca]
        given = [] if data is None else ["-d", json.dumps(data)]
        target = [f"localhost:{self.port}", *words]
        return run([CLIENTS / "grpcurl", *headers, *given, *target])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("gnmi")
    hashed = sha512_crypt.using(rounds=1000).hash(PASSWORD)
    with Collector() as collector, Daemon(folder / "state") as daemon:
        daemon.wait_started()
        daemon.commit(
            '<server xmlns="urn:flowexport:flow-export-server"><user>'
            f"<name>{USER}</name><password-hash>{hashed}</password-hash></user></server>"
            '<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm"><groups><group>'
            f"<name>admin</name><user-name>{USER}</user-name></group></groups></nacm>"
        )
        daemon.commit(collector.xml("a"))
        pair = folder / "state" / "tls" / "gnmi-self-signed.pem"
        wait_until(pair.exists, 20)
        run(["openssl", "x509", "-in", pair, "-out", folder / "ca.pem"])
        yield Server(daemon, folder)


def run(command: list[Any], text: str = "") -> str:
    """Run a program that has to succeed, and give what it printed."""
    done = subprocess.run(
        [str(word) for word in command],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_pygnmi_reads_and_writes(server: Server) -> None:
    entry = {"address": "192.0.2.1", "protocol": "sflow", "port": 7}
    where = f"{LIST}[name=py]"
    told, written, read, replaced, deleted = server.pygnmi(
        ("capabilities", {}),
        ("set", {"update": [(where, entry)]}),
        ("get", {"path": [f"{where}/port"], "encoding": "json_ietf"}),
        ("set", {"replace": [(where, {**entry, "port": 8})]}),
        ("set", {"delete": [where]}),
    )
    assert told["gnmi_version"] == "0.10.0"
    assert read["notification"][0]["update"][0]["val"] == 7
    operations = [one["response"][0]["op"] for one in (written, replaced, deleted)]
    assert operations == ["UPDATE", "REPLACE", "DELETE"]
    with server.daemon.netconf() as session:
        names = [e.text for e in session.get_config().iter() if str(e.tag).endswith("}name")]
    assert "py" not in names


def test_pygnmi_subscribes_to_counters(server: Server) -> None:
    wanted = {
        "path": f"{LIST}[name=a]/statistics/bytes-sent",
        "mode": "sample",
        "sample_interval": 1_000_000_000,
    }
    lists = {"subscription": [wanted], "mode": "stream", "encoding": "proto"}
    (messages,) = server.pygnmi(("subscribe2", {"subscribe": lists}))
    updates = [one["update"]["update"][0] for one in messages if "update" in one]
    assert len(updates) >= 2
    assert updates[0]["val"] <= updates[1]["val"]


def test_pygnmi_finds_the_names_of_interfaces_and_host(server: Server) -> None:
    paths = ["/interfaces/interface[name=lo]/oper-status", "/system/hostname"]
    (told,) = server.pygnmi(("get", {"path": paths, "encoding": "proto"}))
    values = [one["update"][0]["val"] for one in told["notification"]]
    assert values == ["up", Path("/proc/sys/kernel/hostname").read_text().strip()]


def test_grpcurl_learns_the_service_by_reflection(server: Server) -> None:
    assert "gnmi.gNMI" in server.grpcurl("list").split()
    assert "rpc Subscribe" in server.grpcurl("describe", "gnmi.gNMI")
    told = json.loads(server.grpcurl("gnmi.gNMI/Capabilities", data={}))
    assert told["gNMI_version"] == "0.10.0"
    elements = [{"name": "flow-export"}, {"name": "collector", "key": {"name": "a"}}]
    request = {"path": [{"elem": [*elements, {"name": "port"}]}], "encoding": "PROTO"}
    found = json.loads(server.grpcurl("gnmi.gNMI/Get", data=request))
    assert "uint_val" in found["notification"][0]["update"][0]["val"]


def test_oc_config_validate_passes_its_tests(server: Server) -> None:
    where = f"{LIST}[name=oc]"
    entry = '{"address": "192.0.2.1", "protocol": "sflow"}'
    tests = f"""
!TestContext
description: flow-export
tests:
- !TestCase
  name: update
  class_name: set.SetUpdate
  args: {{xpath: "{where}", value: {entry}}}
- !TestCase
  name: read
  class_name: get.GetCompare
  args: {{xpath: "{where}/port", want: 6343}}
- !TestCase
  name: once
  class_name: telemetry_once.CountUpdatesCheckType
  args: {{xpaths: ["{where}/address"], updates_count: 1, values_type: json_ietf_val}}
- !TestCase
  name: delete
  class_name: set.SetDelete
  args: {{xpath: "{where}"}}
"""
    folder = server.folder
    (folder / "tests.yaml").write_text(tests)
    run(
        [
            *(CLIENTS / "python", "-m", "oc_config_validate"),
            *("-tgt", f"localhost:{server.port}", "-user", USER, "-pass", PASSWORD),
            *("-ca", server.ca, "-tests", folder / "tests.yaml"),
            *("-results", folder / "results.json", "-f", "json"),
        ]
    )
    results = json.loads((folder / "results.json").read_text())
    assert results["tests_total"] == results["tests_pass"] == 4, results
