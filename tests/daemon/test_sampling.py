"""Sampling as an operator meets it on any kernel: the commit succeeds, and what lacks is said."""

from __future__ import annotations

from tests.support.conditions import wait_until
from tests.support.daemon import Daemon, flow_export
from tests.support.netconf import FE


def test_an_interface_that_is_not_there(daemon: Daemon) -> None:
    interface = "<interface><name>fxabsent</name><rate>100</rate></interface>"
    daemon.commit(flow_export(f"<sampling>{interface}</sampling>"))
    daemon.find("manager app.manager: source sampling is degraded: ")
    with daemon.netconf() as session:

        def status() -> str | None:
            reply = session.get(f'<flow-export xmlns="{FE}"><sampling/></flow-export>')
            return reply.findtext(f".//{{{FE}}}statistics/{{{FE}}}oper-status")

        wait_until(lambda: status() == "not-present", 10, "the interface is not present")
