"""Sampling rates as option data and headers tell them: nfacctd multiplies by what it learnt."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from interop.flow_collectors import Nfacctd
from interop.namespaces import eventually, namespace
from tests.support.flows import flow_batch
from tests.support.sessions import at, config

from flowexport_mgmt.export.netflow import IpfixSession, Netflow9Session
from flowexport_mgmt.export.netflow5 import Netflow5Session
from flowexport_mgmt.export.session import Session
from flowexport_mgmt.model.flow_export import SamplingOptionsFormat
from flowexport_mgmt.records import FlowBatch

pytestmark = pytest.mark.alone

SYSTEMATIC = {"sampling_options_format": SamplingOptionsFormat.SYSTEMATIC}
END_MS = at(0).unix_ns // 10**6


def flows(**rates: int) -> FlowBatch:
    """Make a flow of ten packets from each selector, whose number ends its source address."""
    common = {"packets": 10, "octets": 1000, "start_ms": END_MS - 9, "end_ms": END_MS}
    if not rates:
        return flow_batch([{"src": "10.0.0.99", **common}])
    return flow_batch(
        {"src": f"10.0.0.{name[1:]}", "sampler": int(name[1:]), "sampling_rate": rate, **common}
        for name, rate in rates.items()
    )


@pytest.mark.parametrize(
    ("session", "protocol", "settings"),
    [
        (Netflow5Session, "netflow5", {}),
        (Netflow9Session, "netflow9", {}),
        (IpfixSession, "ipfix", {}),
        (IpfixSession, "ipfix", SYSTEMATIC),
    ],
    ids=["netflow5", "netflow9", "ipfix", "ipfix-systematic"],
)
def test_nfacctd_multiplies_by_the_rate_of_each_selector(
    session: type[Session], protocol: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    made = session(config(protocol, observation_domain=7, **settings))
    batches = [flows(), flows(s1=100, s2=50), flows(s2=50, s1=100), flows(s3=1000), flows()]
    with namespace() as space, space.udp("127.0.0.1") as sender:
        nfacctd = Nfacctd(space, tmp_path)
        with contextlib.ExitStack() as stack:
            stack.callback(nfacctd.stop)
            sender.connect(("127.0.0.1", nfacctd.port))
            for second, batch in enumerate(batches):
                for output in made.encode(batch, at(second)):
                    for datagram in output.datagrams:
                        sender.send(datagram)
            expected = {
                "10.0.0.99": 20,
                "10.0.0.1": 2000,
                "10.0.0.2": 1000,
                "10.0.0.3": 10_000,
            }
            eventually(lambda: sum(nfacctd.packets().values()) >= sum(expected.values()), "totals")
            assert nfacctd.packets() == expected
