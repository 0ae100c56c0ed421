"""What a driver counts of Ethernet, from its registers to the sFlow record; ethtool judges."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from interop.namespaces import eventually, run

from flowexport_mgmt.records import CounterBatch
from flowexport_mgmt.sources import CounterSource, Details
from flowexport_mgmt.wire import sflow5
from flowexport_mgmt.wire.messages import Value

LONG = bytes.fromhex("ffffffffffff02000000000188b5") + bytes(1700)
FRAMES = 7


class Ports(NamedTuple):
    """Two ports on one wire, of which only the second takes long frames."""

    short: str
    long: str


@pytest.fixture(scope="module")
def ports() -> Iterator[Ports]:
    run("modprobe", "e1000e")
    found = sorted(path.parents[1].name for path in Path("/sys/class/net").glob("*/device/driver"))
    made = Ports(*found)
    run("ip", "link", "set", made.long, "mtu", "4000")
    for port in made:
        run("ip", "link", "set", port, "up")
    eventually(lambda: all(is_up(port) for port in made), "both ports have a carrier")
    yield made
    for port in made:
        run("ip", "link", "set", port, "down")


def is_up(port: str) -> bool:
    return Path(f"/sys/class/net/{port}/operstate").read_text().strip() == "up"


def ethtool(port: str) -> dict[str, int]:
    lines = run("ethtool", "-S", port).splitlines()[1:]
    return {name.strip(): int(value) for name, value in (line.split(":") for line in lines)}


def poll(source: CounterSource) -> CounterBatch:
    return source.poll(time.time_ns(), 1000, time.monotonic(), detailed=True)


def samples(batch: CounterBatch) -> dict[Value, dict[str, Value]]:
    """Encode a poll and decode it; give the fields of each interface."""
    datagrams = sflow5.encode_counter_samples(
        batch.rows,
        np.ones(len(batch.rows), np.uint32),
        agent=ip_address("192.0.2.1"),
        sub_agent_id=0,
        sequence=1,
        uptime_ms=1000,
        max_size=1400,
        ethernet=batch.ethernet,
    )
    decoder = sflow5.Decoder()
    messages = [decoder.receive(bytes(data), ("", 0), 0) for data in datagrams]
    assert [message.faults for message in messages] == [()] * len(messages)
    records = [record for message in messages for record in message.records]
    return {record.fields["ifIndex"]: record.fields for record in records}


def test_frames_that_are_too_long_are_counted_by_the_driver_and_told(ports: Ports) -> None:
    source = CounterSource(0, details=Details())
    index = socket.if_nametoindex(ports.short)
    before = samples(poll(source))[index]["dot3StatsFrameTooLongs"]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((ports.long, 0))
        for _ in range(FRAMES):
            sender.send(LONG)
    assert isinstance(before, int)
    eventually(
        lambda: samples(poll(source))[index]["dot3StatsFrameTooLongs"] == before + FRAMES,
        "the driver counts long frames",
    )
    source.close()


def test_every_counter_is_what_ethtool_shows(ports: Ports) -> None:
    source = CounterSource(0, details=Details())
    found = samples(poll(source))
    source.close()
    for port in ports:
        fields, shown = found[socket.if_nametoindex(port)], ethtool(port)
        assert fields["dot3StatsFCSErrors"] == shown["rx_crc_errors"]
        assert fields["dot3StatsAlignmentErrors"] == shown["rx_align_errors"]
        assert fields["dot3StatsSingleCollisionFrames"] == shown["tx_single_coll_ok"]
        assert fields["dot3StatsMultipleCollisionFrames"] == shown["tx_multi_coll_ok"]
        assert fields["dot3StatsDeferredTransmissions"] == shown["tx_deferred_ok"]
        assert fields["dot3StatsLateCollisions"] == shown["tx_abort_late_coll"]
        assert fields["dot3StatsFrameTooLongs"] == shown["rx_long_length_errors"]
        assert fields["dot3StatsSQETestErrors"] is None
    assert "dot3StatsFCSErrors" not in found.get(socket.if_nametoindex("lo"), {})
