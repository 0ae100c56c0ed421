"""Actions, from a NETCONF session to the collector and back to the state."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

import pytest
from tests.support.conditions import wait_until
from tests.support.daemon import Collector, Daemon
from tests.support.netconf import FE, Netconf, RpcError

YANG = "urn:ietf:params:xml:ns:yang:1"
STATISTICS = (
    f'<flow-export xmlns="{FE}"><collector><name>a</name><statistics/></collector></flow-export>'
)


def act(session: Netconf, name: str, collector: str = "a") -> None:
    session.rpc(
        f'<action xmlns="{YANG}"><flow-export xmlns="{FE}"><collector><name>{collector}</name>'
        f"<{name}/></collector></flow-export></action>"
    )


def shown(session: Netconf, leaf: str) -> str:
    return session.get(STATISTICS).findtext(f".//{{{FE}}}{leaf}", "")


def scraped(daemon: Daemon) -> int:
    url = f"http://127.0.0.1:{daemon.http_port}/metrics"
    with urllib.request.urlopen(url, timeout=20) as answer:
        found = re.search(r"datagrams_total\{.*\} (\d+)", answer.read().decode())
    assert found is not None
    return int(found[1])


def test_actions_reach_the_exporter(tmp_path: Path) -> None:
    with Collector() as collector, Daemon(tmp_path / "state") as daemon:
        daemon.wait_started()
        daemon.commit(collector.xml("a", polling_interval=3600))
        collector.receive()
        with daemon.netconf() as session:
            act(session, "export-now")
            collector.receive()
            wait_until(lambda: int(shown(session, "datagrams-sent")) >= 2)
            total, before = scraped(daemon), shown(session, "discontinuity-time")
            act(session, "clear-statistics")
            assert shown(session, "datagrams-sent") == "0"
            assert shown(session, "sequence") == str(total)
            assert shown(session, "discontinuity-time") > before
            assert scraped(daemon) == total
            act(session, "export-now")
            collector.receive()
            wait_until(lambda: scraped(daemon) > total)
            assert 0 < int(shown(session, "datagrams-sent")) < total + 1
            with pytest.raises(RpcError, match="data-missing"):
                act(session, "export-now", "b")
            session.edit(collector.xml("a", enabled="false"))
            session.commit()
            with pytest.raises(RpcError, match="collector a is not enabled"):
                act(session, "export-now")
            act(session, "clear-statistics")
