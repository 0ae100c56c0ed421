"""Prometheus's own tool judges the metrics, the alert rules and the configuration beside them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path

from tests.support.daemon import Collector, Daemon

from flowexport_mgmt.north.http import metrics

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "packaging" / "prometheus"
DASHBOARD = ROOT / "packaging" / "grafana" / "flowexport.json"
FETCHED = ROOT / ".cache" / "prometheus" / "usr" / "bin" / "promtool"
NAME = re.compile(r"ze_flowexport_(\w+)")


def promtool(*words: str, given: bytes | None = None) -> str:
    tool = shutil.which("promtool") or str(FETCHED)
    done = subprocess.run(
        [tool, *words], input=given, capture_output=True, cwd=RULES, timeout=60, check=False
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def test_rules_and_configuration_are_right() -> None:
    assert "SUCCESS" in promtool("check", "rules", "flowexport.rules.yml")
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml")


def test_rules_fire_when_they_should() -> None:
    assert "SUCCESS" in promtool("test", "rules", "flowexport.rules.test.yml")


def test_a_scrape_is_as_it_should_be(tmp_path: Path) -> None:
    with (
        Collector() as collector,
        Daemon(tmp_path / "state", init=collector.document("a")) as daemon,
    ):
        daemon.wait_started()
        assert collector.receive()
        url = f"http://127.0.0.1:{daemon.http_port}/metrics"
        with urllib.request.urlopen(url, timeout=20) as response:
            scrape = response.read()
    assert b'ze_flowexport_datagrams_total{collector="a",protocol="sflow"}' in scrape
    promtool("check", "metrics", given=scrape)


def test_what_rules_and_dashboard_ask_for_exists() -> None:
    source = Path(metrics.__file__).read_text()
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    rules = (RULES / "flowexport.rules.yml").read_text()
    asked = {name.removesuffix("_total") for name in NAME.findall(rules + " ".join(expressions))}
    assert len(asked) > 10
    assert [name for name in asked if f'"{name}"' not in source] == []
