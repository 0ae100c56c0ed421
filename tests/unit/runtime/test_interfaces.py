from __future__ import annotations

from tests.support.interfaces import FakeKernel, FakeLink

from flowexport_mgmt.model.interfaces import Interface
from flowexport_mgmt.runtime.interfaces import describe_interfaces
from flowexport_mgmt.sources import CounterSource
from flowexport_mgmt.sources.sysfs import UNKNOWN_SETTINGS, LinkSettings
from flowexport_mgmt.sources.table import LinkTable

STARTED = 1_700_000_000 * 10**9
STARTED_TEXT = "2023-11-14T22:13:20.000Z"
LO = FakeLink(1, "lo", flags=0x10049, device_type=772, operstate=0, address=bytes(6))


class Host:
    def __init__(self, *links: FakeLink, settings: LinkSettings = UNKNOWN_SETTINGS) -> None:
        self.kernel = FakeKernel(*links)
        self._source = CounterSource(STARTED, LinkTable(self.kernel, lambda *_: settings))

    def read(self, second: int = 0) -> dict[str, Interface]:
        snapshot = self._source.read(STARTED + second * 10**9, second * 1000, float(second))
        return {found.name: found for found in describe_interfaces(snapshot).interface}


def test_an_interface_with_all_that_the_kernel_says() -> None:
    counters = {0: 100, 1: 50, 2: 9000, 3: 4000, 4: 1, 5: 2, 6: 3, 7: 4, 8: 10}
    link = FakeLink(2, "eth0", alias="uplink", counters=counters)
    found = Host(link, settings=LinkSettings(10**9, 1)).read()["eth0"]
    assert (found.type, found.description) == ("iana-if-type:ethernetCsmacd", "uplink")
    assert (found.enabled, found.oper_status) == (True, "up")
    assert (found.phys_address, found.speed) == ("02:00:00:00:00:aa", 10**9)
    assert found.last_change is None
    counted = found.statistics
    assert counted is not None
    assert counted.discontinuity_time == STARTED_TEXT
    assert (counted.in_octets, counted.in_unicast_pkts, counted.in_multicast_pkts) == (9000, 90, 10)
    assert (counted.in_errors, counted.in_discards) == (1, 3)
    assert (counted.out_octets, counted.out_unicast_pkts) == (4000, 50)
    assert (counted.out_errors, counted.out_discards) == (2, 4)


def test_what_the_kernel_does_not_count_or_know_is_left_out() -> None:
    found = Host(FakeLink(2, "tun0", kind="tun", device_type=0xFFFE, address=b"")).read()["tun0"]
    assert (found.description, found.phys_address, found.speed) == (None, None, None)
    counted = found.statistics
    assert counted is not None
    assert counted.in_broadcast_pkts is None
    assert counted.in_unknown_protos is None
    assert counted.out_broadcast_pkts is None
    assert counted.out_multicast_pkts is None


def test_loopback_is_there() -> None:
    found = Host(LO).read()["lo"]
    assert (found.type, found.oper_status) == ("iana-if-type:softwareLoopback", "up")


def test_multicast_that_runs_ahead_of_the_whole_makes_no_negative_count() -> None:
    counted = Host(FakeLink(2, "eth0", counters={0: 3, 8: 5})).read()["eth0"].statistics
    assert counted is not None
    assert counted.in_unicast_pkts == 0


def test_every_operstate_has_its_word() -> None:
    words = ["up", "not-present", "down", "lower-layer-down", "testing", "dormant", "up"]
    links = [FakeLink(2 + state, f"s{state}", operstate=state) for state in range(7)]
    links.append(FakeLink(20, "silent", operstate=0, flags=0x3))
    found = Host(*links).read()
    assert [found[f"s{state}"].oper_status for state in range(7)] == words
    assert found["silent"].oper_status == "down"


def test_every_type_is_an_identity() -> None:
    kinds = {
        "br0": FakeLink(2, "br0", kind="bridge"),
        "v5": FakeLink(3, "v5", kind="vlan"),
        "gre1": FakeLink(4, "gre1", kind="gre", device_type=778),
        "d0": FakeLink(5, "d0", kind="dummy"),
        "bond0": FakeLink(6, "bond0", kind="bond"),
        "ppp0": FakeLink(7, "ppp0", device_type=512),
        "ib0": FakeLink(8, "ib0", device_type=32),
        "can0": FakeLink(9, "can0", device_type=280),
    }
    found = Host(*kinds.values()).read()
    assert {name: found[name].type for name in kinds} == {
        "br0": "iana-if-type:bridge",
        "v5": "iana-if-type:l2vlan",
        "gre1": "iana-if-type:tunnel",
        "d0": "iana-if-type:propVirtual",
        "bond0": "iana-if-type:ieee8023adLag",
        "ppp0": "iana-if-type:ppp",
        "ib0": "iana-if-type:infiniband",
        "can0": "iana-if-type:other",
    }


def test_layers_are_named_in_both_directions() -> None:
    found = Host(
        FakeLink(2, "eth0", master=4),
        FakeLink(3, "eth0.5", kind="vlan", link=2),
        FakeLink(4, "br0", kind="bridge"),
        FakeLink(5, "eth1", master=4),
        FakeLink(6, "orphan", kind="vlan", link=77),
    ).read()
    assert found["eth0"].higher_layer_if == ("br0", "eth0.5")
    assert found["br0"].lower_layer_if == ("eth0", "eth1")
    assert found["eth0.5"].lower_layer_if == ("eth0",)
    assert found["orphan"].lower_layer_if == ()


def test_changes_and_discontinuities_are_dated() -> None:
    host = Host(FakeLink(2, "eth0", counters={2: 9}))
    host.read(0)
    host.kernel.links = [FakeLink(2, "eth0", counters={2: 5}, operstate=2)]
    found = host.read(7)["eth0"]
    assert found.last_change == "2023-11-14T22:13:27.000Z"
    assert found.statistics is not None
    assert found.statistics.discontinuity_time == "2023-11-14T22:13:27.000Z"
