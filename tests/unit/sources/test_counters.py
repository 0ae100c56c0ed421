from __future__ import annotations

import threading

import pytest
from tests.support.interfaces import FakeKernel, FakeLink

from flowexport_mgmt.records import UNKNOWN64
from flowexport_mgmt.sources import CounterSource
from flowexport_mgmt.sources.sysfs import UNKNOWN_SETTINGS, LinkSettings
from flowexport_mgmt.sources.table import LinkTable

STARTED = 500
LO = FakeLink(1, "lo", flags=0x10049, device_type=772, operstate=0, address=bytes(6))


def source_of(kernel: FakeKernel, settings: LinkSettings = UNKNOWN_SETTINGS) -> CounterSource:
    return CounterSource(STARTED, LinkTable(kernel, lambda *_: settings))


def test_columns_are_the_kernels_counters() -> None:
    counted = {
        0: 100, 1: 200, 2: 10_000, 3: 20_000, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8,
        15: 150, 23: 2300, 24: 1 << 50,
    }  # fmt: skip
    kernel = FakeKernel(FakeLink(2, "eth0", promiscuity=1, counters=counted))
    (row,) = source_of(kernel, LinkSettings(10**10, 1)).read(1, 2, 3.0).rows
    assert (row["in_packets"], row["out_packets"]) == (100, 200)
    assert (row["in_octets"], row["out_octets"]) == (10_000, 20_000)
    assert (row["in_errors"], row["out_errors"]) == (4, 5)
    assert (row["in_discards"], row["out_discards"]) == (6 + 150 + 2300, 7)
    assert row["in_multicast"] == 8
    for column in ("in_broadcast", "in_unknown_protos", "out_multicast", "out_broadcast"):
        assert row[column] == UNKNOWN64
    assert (row["ifindex"], row["iftype"], row["status"]) == (2, 6, 3)
    assert (row["speed"], row["direction"], row["promiscuous"]) == (10**10, 1, 1)


def test_what_is_not_up_or_promiscuous_says_so() -> None:
    kernel = FakeKernel(FakeLink(2, "eth0", flags=0x1003, operstate=2))
    (row,) = source_of(kernel).read(1, 2, 3.0).rows
    assert (row["status"], row["promiscuous"], row["speed"]) == (1, 2, 0)


def test_loopback_is_read_and_not_exported() -> None:
    kernel = FakeKernel(LO, FakeLink(2, "eth0", alias="uplink"), FakeLink(3, "eth1"))
    snapshot = source_of(kernel).read(11, 22, 3.0)
    assert [link.name for link in snapshot.links] == ["lo", "eth0", "eth1"]
    batch = snapshot.exported
    assert (batch.time_ns, batch.uptime_ms) == (11, 22)
    assert batch.rows["ifindex"].tolist() == [2, 3]
    assert batch.names == ("eth0", "eth1")
    assert batch.descriptions == ("uplink", "")


def test_a_snapshot_does_not_change_when_the_next_one_comes() -> None:
    kernel = FakeKernel(FakeLink(2, "eth0", counters={2: 5}))
    source = source_of(kernel)
    first = source.read(1, 1, 1.0)
    kernel.links = [FakeLink(2, "eth0", counters={2: 3})]
    second = source.read(2, 2, 2.0)
    assert (first.rows["in_octets"][0], first.exported.rows["epoch"][0]) == (5, 0)
    assert (second.rows["in_octets"][0], second.exported.rows["epoch"][0]) == (3, 1)


def test_discontinuities_are_counted_once() -> None:
    kernel = FakeKernel(FakeLink(2, "eth0", counters={2: 5}), FakeLink(3, "eth1"))
    source = source_of(kernel)
    source.read(1000, 1, 1.0)
    kernel.links[0] = FakeLink(2, "eth0", counters={2: 4})
    snapshot = source.read(2000, 2, 2.0)
    assert snapshot.since_ns.tolist() == [2000, STARTED]
    assert source.discontinuities == 1
    kernel.links[1] = FakeLink(8, "eth1")  # the same name, another interface
    source.read(3000, 3, 3.0)
    assert source.discontinuities == 2
    kernel.links.append(FakeLink(9, "eth2"))
    source.read(4000, 4, 4.0)
    assert source.discontinuities == 2


def test_an_ifindex_that_another_interface_took_over_is_a_discontinuity() -> None:
    old, new = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
    kernel = FakeKernel(FakeLink(2, "eth0", address=old, counters={2: 5}))
    source = source_of(kernel)
    source.read(1000, 1, 1.0)
    for second, link in enumerate(
        (
            FakeLink(2, "wan", address=old, counters={2: 6}),  # another name
            FakeLink(2, "wan", address=new, counters={2: 7}),  # another address
            FakeLink(2, "eth9", address=old, counters={2: 9}),  # another interface
        ),
        2,
    ):
        kernel.links = [link]
        snapshot = source.read(1000 * second, second, float(second))
        assert source.discontinuities == snapshot.rows["epoch"][0] == (second == 4)


def test_status_changes_are_dated_once_seen() -> None:
    kernel = FakeKernel(FakeLink(2, "eth0"), FakeLink(3, "eth1"))
    source = source_of(kernel)
    assert source.read(1000, 1, 1.0).last_change_ns == {}
    kernel.links[0] = FakeLink(2, "eth0", operstate=2)
    assert source.read(2000, 2, 2.0).last_change_ns == {2: 2000}
    kernel.links.append(FakeLink(4, "eth2"))
    assert source.read(3000, 3, 3.0).last_change_ns == {2: 2000, 4: 3000}
    kernel.links = kernel.links[1:2]
    assert source.read(4000, 4, 4.0).last_change_ns == {}


def test_an_error_passes_and_the_next_read_goes_on() -> None:
    kernel = FakeKernel(FakeLink(2, "eth0", counters={2: 5}))
    source = source_of(kernel)
    source.read(1, 1, 1.0)
    kernel.error = OSError(105, "No buffer space available")
    with pytest.raises(OSError, match="No buffer space"):
        source.read(2, 2, 2.0)
    kernel.error = None
    assert source.read(3, 3, 3.0).exported.rows["epoch"].tolist() == [0]
    source.close()
    assert kernel.closed


def test_threads_read_one_after_the_other() -> None:
    class Counting(FakeKernel):
        inside = 0

        def dump(self):  # type: ignore[no-untyped-def]
            self.inside += 1
            assert self.inside == 1
            made = super().dump()
            self.inside -= 1
            return made

    source = source_of(Counting(FakeLink(2, "eth0")))
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for number in range(200):
                source.read(number, number, float(number))
        except BaseException as error:  # noqa: BLE001 - reported below
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_this_machines_loopback_is_read() -> None:
    source = CounterSource(STARTED)
    snapshot = source.read(1, 2, 3.0)
    source.close()
    (lo,) = [link for link in snapshot.links if link.loopback]
    assert lo.name == "lo"
    assert lo.ifindex not in snapshot.exported.rows["ifindex"].tolist()
