"""The logs of all processes follow server/logging, and tell what an operator wants to know."""

from __future__ import annotations

import json
import os
import signal

from tests.support.conditions import wait_until
from tests.support.daemon import Collector, Daemon
from tests.support.netconf import FXS


def logging(form: str, level: str) -> str:
    return (
        f'<server xmlns="{FXS}"><logging><format>{form}</format><level>{level}</level></logging>'
        "</server>"
    )


def test_every_process_changes_its_format_while_it_runs(daemon: Daemon) -> None:
    daemon.commit(logging("json", "info"))
    os.kill(daemon.child("manager"), signal.SIGKILL)
    for process in ("supervisor", "exporter", "manager"):  # the new one reads it at its start
        line = daemon.find(rf'^{{.*"process": ?"{process}".*}}$').string
        assert {"time", "level", "room", "message"} <= set(json.loads(line))
    assert daemon.exporter() == {}
    daemon.commit(logging("text", "info"))
    os.kill(daemon.child("exporter"), signal.SIGKILL)
    daemon.find("warning supervisor app.supervisor: the exporter was ended")


def test_every_process_changes_its_level(daemon: Daemon) -> None:
    daemon.commit(logging("text", "error"))
    said = len(daemon.lines)
    killed = daemon.child("exporter")
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: daemon.child("exporter") not in {0, killed})
    assert daemon.lines[said:] == []
    daemon.commit(logging("text", "debug"))
    os.kill(daemon.child("exporter"), signal.SIGKILL)
    daemon.find("debug +supervisor app.child: exporter is process")
    daemon.find("info +manager app.manager: the exporter runs commit 0 and gets commit 3")


def test_a_collector_that_fails_is_told(daemon: Daemon) -> None:
    with Collector() as collector:
        config = collector.xml("lonely")
    daemon.commit(config)  # nobody listens there any more
    daemon.find("warning manager app.manager: collector lonely is (down|degraded): .*refused")
