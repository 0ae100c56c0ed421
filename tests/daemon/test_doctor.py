"""The doctor of a real daemon, asked by the program that operators type."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.conditions import wait_until
from tests.support.daemon import Collector, Daemon, flow_export

FLOWEXPORT = Path(sys.executable).with_name("flowexport")


def doctor(daemon: Daemon) -> tuple[int, dict[tuple[str, str], Any]]:
    """Ask; give the exit code and the findings by check and subject."""
    done = subprocess.run(
        [FLOWEXPORT, "--socket", daemon.socket, "-c", "doctor"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = json.loads(done.stdout)
    return done.returncode, {(one["check"], one.get("subject", "")): one for one in found}


def test_what_is_well_and_what_is_not(daemon: Daemon, collector: Collector) -> None:
    daemon.commit(collector.xml("a"))
    assert collector.receive()
    code, found = doctor(daemon)
    assert code == 0, found
    assert found["collector", "a"]["status"] == "ok"
    assert found["process", "exporter"]["status"] == "ok"
    assert found["door", "netconf-ssh"]["status"] == "ok"
    assert found["state-folder", str(daemon.state)]["status"] == "ok"
    assert ("module", "psample") in found
    assert ("conntrack-accounting", "net.netfilter.nf_conntrack_acct") in found

    nowhere = collector.entry("b", source_address="127.0.0.9", sub_agent_id=1)
    sampling = "<sampling><interface><name>nowhere0</name><rate>10</rate></interface></sampling>"
    daemon.commit(flow_export(nowhere, sampling))
    code, found = doctor(daemon)
    assert code == 4
    assert found["source-address", "b 127.0.0.9"]["status"] == "ok"
    assert found["interface", "nowhere0"]["status"] == "error"
    assert found["interface", "nowhere0"]["remedy"] == "ip -brief link"


def test_a_collector_that_refuses_is_told_until_it_is_back(daemon: Daemon) -> None:
    with Collector() as gone:
        config = gone.xml("a")
        port = gone.port
    daemon.commit(config)

    def refused() -> bool:
        return "ECONNREFUSED" in doctor(daemon)[1]["collector", "a"]["message"]

    wait_until(refused, 20)
    _, found = doctor(daemon)
    assert found["collector", "a"]["status"] in {"warning", "error"}
    assert found["collector", "a"]["remedy"] == f"ss -ulnp 'sport = :{port}'  # at 127.0.0.1"
