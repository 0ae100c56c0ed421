"""``flowexport`` asks a real daemon: what it prints is what was configured and what was sent."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.conditions import wait_until
from tests.support.daemon import Collector, Daemon, flow_export
from tests.support.processes import Program

FLOWEXPORT = Path(sys.executable).with_name("flowexport")
FIELDS = {
    "name",
    "address",
    "port",
    "protocol",
    "datagrams-sent",
    "bytes-sent",
    "errors",
    "sequence",
}


def ask(daemon: Daemon, *commands: str) -> tuple[int, str]:
    options = [word for command in commands for word in ("-c", command)]
    with Program([str(FLOWEXPORT), "--socket", str(daemon.socket), *options]) as program:
        return program.wait(), program.output


def shown(daemon: Daemon, command: str) -> Any:
    code, output = ask(daemon, command)
    assert code == 0, output
    return json.loads(output)


def test_before_anything_is_configured(daemon: Daemon) -> None:
    assert shown(daemon, "show flow-export") == {"status": "not-configured"}
    code, output = ask(daemon, "show flow-export name a")
    assert (code, json.loads(output)) == (0, {"status": "not-configured"})


def test_without_collectors(daemon: Daemon) -> None:
    daemon.commit(flow_export())
    assert shown(daemon, "show flow-export") == []
    assert ask(daemon, "show flow-export name a") == (1, "collector not found: a")


@pytest.mark.parametrize("protocol", ["sflow", "netflow9", "ipfix"])
def test_what_was_sent(daemon: Daemon, collector: Collector, protocol: str) -> None:
    daemon.commit(collector.xml("a b", protocol))
    entry = wait_until(lambda: _exported(daemon), 20)
    assert entry.keys() == FIELDS | {"last-export-time"}
    assert (entry["name"], entry["port"], entry["protocol"]) == ("a b", collector.port, protocol)
    assert all(isinstance(entry[name], int) for name in FIELDS - {"name", "address", "protocol"})
    assert entry["bytes-sent"] >= len(collector.receive())
    assert entry.keys() == shown(daemon, 'show flow-export name "a b"').keys()


def _exported(daemon: Daemon) -> Any:
    (entry,) = shown(daemon, "show flow-export")
    return entry if "last-export-time" in entry else None


def test_a_collector_that_is_switched_off(daemon: Daemon, collector: Collector) -> None:
    daemon.commit(collector.xml("a", enabled="false"))
    (entry,) = shown(daemon, "show flow-export")
    assert entry.keys() == FIELDS
    assert entry["datagrams-sent"] == 0


def test_the_other_commands(daemon: Daemon, collector: Collector) -> None:
    daemon.commit(collector.xml("a"))
    (session,) = shown(daemon, "show sessions")
    assert session["door"] == "netconf-unix"
    assert session["lock"] == []
    newest = max(shown(daemon, "show history"), key=lambda commit: int(commit["id"]))
    assert newest["door"] == "netconf-unix"
    assert newest["changes"] > 0
    interfaces = {entry["name"]: entry for entry in shown(daemon, "show interfaces")}
    octets = Path("/sys/class/net/lo/statistics/rx_bytes").read_text()
    assert 0 <= interfaces["lo"]["in-octets"] <= int(octets)
    assert shown(daemon, "show interfaces name lo").keys() == interfaces["lo"].keys()


def test_show_configuration(daemon: Daemon, collector: Collector) -> None:
    daemon.commit(collector.xml("a", "ipfix", dscp=10))
    assert shown(daemon, "show configuration | json") == {
        "flow-export:flow-export": {
            "collector": [
                {
                    "name": "a",
                    "address": "127.0.0.1",
                    "port": collector.port,
                    "protocol": "ipfix",
                    "polling-interval": 1,
                    "dscp": 10,
                }
            ]
        },
        "flow-export-server:server": {
            "netconf": {"ssh": {"port": daemon.ssh_port}},
            "gnmi": {"port": daemon.gnmi_port},
            "http": {"port": daemon.http_port},
        },
        "ietf-netconf-acm:nacm": {
            "write-default": "deny",
            "groups": {"group": [{"name": "admin"}]},
            "rule-list": [
                {
                    "name": "admin",
                    "group": ["admin"],
                    "rule": [
                        {
                            "name": "everything",
                            "module-name": "*",
                            "access-operations": "*",
                            "action": "permit",
                        }
                    ],
                }
            ],
        },
    }
