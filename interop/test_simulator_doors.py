"""Simulated devices by every door: curl as scripts of other simulators use it, NETCONF, gNMI."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from interop.namespaces import Namespace, eventually, namespace, run
from interop.test_gnmi_clients import CLIENTS
from interop.test_simulator import FES, PROGRAM
from ncclient import manager
from tests.support.simulator_requests import MALFORMED, REFUSED

NETCONF, GNMI = 8300, 9340
DEVICES = "http://localhost:8080/api/v1/devices"

# As the documentation of such a simulator has them.
CREATE = "curl -X POST http://localhost:8080/api/v1/devices -H 'Content-Type: application/json' -d "
WITH_NETMASK = (
    CREATE + '\'{"start_ip": "192.168.100.1", "device_count": 5, "netmask": "24",'
    ' "flow": {"collector": "127.0.0.1:2055", "protocol": "netflow9", "tick_interval": "5s",'
    ' "active_timeout": "30s", "inactive_timeout": "15s"}}\''
)
WITHOUT_NETMASK = CREATE + '\'{"start_ip": "192.168.101.1", "device_count": 3}\''
LIST = "curl http://localhost:8080/api/v1/devices"
STATUS = "curl http://localhost:8080/api/v1/flows/status"
DELETE_ONE = "curl -X DELETE http://localhost:8080/api/v1/devices/192.168.101.2"
DELETE_ALL = "curl -X DELETE http://localhost:8080/api/v1/devices"

PYGNMI = """
import json, sys
from pygnmi.client import gNMIclient
port, user, password, *paths = sys.argv[1:]
with gNMIclient(("127.0.0.1", int(port)), user, password, skip_verify=True) as client:
    told = client.get(path=paths, encoding="json_ietf")
print(json.dumps([one["update"][0]["val"] for one in told["notification"]]))
"""


@dataclass(frozen=True)
class Site:
    """A program that simulates nothing yet."""

    space: Namespace
    user: str
    password: str

    def shell(self, line: str) -> Any:
        """Run a line as people type it."""
        text = run("ip", "netns", "exec", self.space.name, "sh", "-c", f"{line} --silent")
        return json.loads(text)

    def refuse(self, method: str, body: str, path: str = DEVICES) -> tuple[str, Any]:
        """Send what is to be refused: its status and the answer."""
        head = ("-H", "Content-Type: application/json", "-w", "\n%{http_code}")
        words = ("curl", "-s", "-X", method, path, *head, "-d", body)
        text, _, status = run("ip", "netns", "exec", self.space.name, *words).rpartition("\n")
        return status, json.loads(text)

    def gnmi(self, *paths: str) -> list[Any]:
        """Get values by pygnmi."""
        program = ("ip", "netns", "exec", self.space.name, str(CLIENTS / "python"), "-c", PYGNMI)
        printed = run(*program, str(GNMI), self.user, self.password, *paths)
        found: list[Any] = json.loads(printed.splitlines()[-1])  # it warns before
        return found

    def netconf(self) -> manager.Manager:
        """Connect as a client that knows nothing of REST."""
        with self.space.entered():
            return manager.connect_ssh(
                host="127.0.0.1",
                port=NETCONF,
                username=self.user,
                password=self.password,
                hostkey_verify=False,
                look_for_keys=False,
                allow_agent=False,
                timeout=20,
            )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    log = tmp_path_factory.mktemp("doors") / "log"
    with namespace() as space:
        ports = ("-netconf-port", str(NETCONF), "-gnmi-port", str(GNMI))
        program = space.start([str(PROGRAM), *ports], log)
        said = eventually(
            lambda: re.search(r"user (\S+), password (\S+)", log.read_text()), f"it runs: {log}", 40
        )
        assert said
        yield Site(space, said[1], said[2])
        program.send_signal(signal.SIGTERM)
        assert program.wait(30) == 0, log.read_text()


@pytest.fixture(autouse=True)
def _no_devices_are_left(site: Site) -> Iterator[None]:
    yield
    site.shell(DELETE_ALL)


def test_the_lines_of_other_simulators(site: Site) -> None:
    assert site.shell(STATUS)["subsystem_active"] is False
    assert site.shell(WITH_NETMASK) == {
        "success": True,
        "message": "Created 5 devices starting from 192.168.100.1",
        "data": {"created": 5, "requested": 5, "failed": 0},
    }
    assert site.shell(WITHOUT_NETMASK)["data"] == {"created": 3, "requested": 3, "failed": 0}
    listed = site.shell(LIST)["data"]
    addresses = [f"192.168.100.{n}" for n in range(1, 6)] + [f"192.168.101.{n}" for n in (1, 2, 3)]
    assert [device["id"] for device in listed] == addresses
    assert listed[0]["flow"] == {
        "collector": "127.0.0.1:2055",
        "protocol": "netflow9",
        "tick_interval": "5s",
        "active_timeout": "30s",
        "inactive_timeout": "15s",
        "sub_agent_id": 0,
    }
    status = site.shell(STATUS)
    assert (status["subsystem_active"], status["devices_exporting"]) == (True, 5)
    assert status["collectors"][0]["collector"] == "127.0.0.1:2055"
    assert site.shell(DELETE_ONE)["success"]
    assert len(site.shell(LIST)["data"]) == 7
    assert site.shell(DELETE_ALL)["data"] == {"deleted": 7}
    assert site.shell(LIST)["data"] == []
    (row,) = site.shell(STATUS)["collectors"]  # it stays
    assert row["devices"] == 0


def test_what_is_refused_names_its_member(site: Site) -> None:
    """The whole table by curl, and nothing of it is done."""
    told = [(body, text, *site.refuse("POST", body)) for body, text in refused()]
    wrong = [
        (body, answer)
        for body, text, status, answer in told
        if status != "400" or answer["success"] or not answer["message"].startswith(text)
    ]
    assert wrong == []
    assert len(told) > 40
    assert site.shell(LIST)["data"] == []


def refused() -> list[tuple[str, str]]:
    members = [(json.dumps(each), text) for each, text in REFUSED]
    return members + [(body.decode(), text) for body, text in MALFORMED]


def test_wrong_methods_and_unknown_devices(site: Site) -> None:
    assert site.refuse("PUT", "{}")[0] == "405"
    assert site.refuse("POST", "{}", f"{DEVICES}/export")[0] == "405"
    for method in ("GET", "DELETE"):
        status, told = site.refuse(method, "{}", f"{DEVICES}/10.0.0.99")
        assert (status, told["message"]) == ("404", "device not found: 10.0.0.99")


def test_a_group_of_rest_is_edited_by_netconf_and_seen_in_gnmi(site: Site) -> None:
    site.shell(WITH_NETMASK)
    group = site.shell(LIST)["data"][0]["group"]
    edit = (
        '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">'
        f'<simulation xmlns="{FES}"><device-group><name>{group}</name><flow>'
        "<active-timeout>3000</active-timeout></flow></device-group></simulation></config>"
    )
    with site.netconf() as session:
        session.edit_config(target="candidate", config=edit)
        session.commit()
    where = f"/simulation/device-group[name={group}]"
    assert site.gnmi(f"{where}/flow/active-timeout", f"{where}/start-address") == [
        3000,
        "192.168.100.1",
    ]
    assert site.shell(LIST)["data"][0]["flow"]["active_timeout"] == "3s"


def test_a_device_is_state_by_its_key(site: Site) -> None:
    site.shell(WITH_NETMASK)
    entry = "<device><address>192.168.100.3</address></device>"
    tree = f'<simulation xmlns="{FES}">{entry}</simulation>'
    path = "/fes:simulation/fes:device[fes:address='192.168.100.4']"
    with site.netconf() as session:
        by_tree = session.get(("subtree", tree)).data_xml
        by_path = session.get(("xpath", ({"fes": FES}, path))).data_xml
        whole = session.get(("subtree", f'<simulation xmlns="{FES}"/>')).data_xml
    assert re.findall(r"<address>(.*?)</address>", by_tree) == ["192.168.100.3"]
    assert re.findall(r"<address>(.*?)</address>", by_path) == ["192.168.100.4"]
    assert "<devices>5</devices>" in whole
    assert "<device>" not in whole
    (device,) = site.gnmi("/simulation/device[address=192.168.100.5]")
    told = {name.rpartition(":")[2]: value for name, value in device.items()}
    assert (told["address"], told["oper-status"]) == ("192.168.100.5", "up")
    assert told["flows-active"] > 0
