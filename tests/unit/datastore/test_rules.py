from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.support.edits import shown

from flowexport_mgmt.datastore.public_keys import PublicKeyError, read_public_key
from flowexport_mgmt.datastore.rules import check_rules, is_multicast
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.model.flow_export import (
    Collector,
    CollectorSampledFlows,
    FlowExport,
    Protocol,
    Sampling,
    SamplingInterface,
)
from flowexport_mgmt.model.server import Http, Netconf, NetconfSsh, Server, User

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGqM2MJgrkHhAExnPYmfo7Gd8tpNX3lxV8sbTdsM2hxC"


def of(*collectors: Collector) -> list[tuple[str, str, str]]:
    faults = check_rules(Configuration(flow_export=FlowExport(collector=collectors)))
    return shown(faults)


def sflow(name: str = "a", address: str = "192.0.2.1", **leaves: str | int) -> Collector:
    return Collector(name=name, address=address, protocol=Protocol.SFLOW, **leaves)  # type: ignore[arg-type]  # the test says which


def leaf(name: str, collector: str = "a") -> tuple[str, str, str]:
    return (
        "operation-failed",
        "",
        f"/fe:flow-export/fe:collector[fe:name='{collector}']/fe:{name}",
    )


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "fe80::1%eth0", "239.1.1.1"])
def test_addresses_of_collectors(address: str) -> None:
    assert of(sflow(address=address)) == []


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "255.255.255.255"])
def test_what_is_no_destination(address: str) -> None:
    assert of(sflow(address=address)) == [leaf("address")]


@pytest.mark.parametrize(
    ("address", "source"), [("192.0.2.1", "::1"), ("2001:db8::1", "192.0.2.7")]
)
def test_a_source_is_of_the_family_of_its_collector(address: str, source: str) -> None:
    assert of(sflow(address=address, source_address=source)) == [leaf("source-address")]


@pytest.mark.parametrize("name", ["source_address", "agent_address"])
@pytest.mark.parametrize("address", ["0.0.0.0", "224.0.0.1", "255.255.255.255"])
def test_own_addresses_name_this_host(name: str, address: str) -> None:
    assert of(sflow(**{name: address})) == [leaf(name.replace("_", "-"))]


def test_an_agent_may_be_of_another_family() -> None:
    assert of(sflow(agent_address="2001:db8::7")) == []


def test_collectors_of_one_sub_agent_see_one_agent() -> None:
    one = sflow("a", agent_address="192.0.2.7")
    assert of(one, sflow("b", agent_address="192.0.2.8")) == [leaf("agent-address", "b")]
    assert of(one, sflow("b", source_address="192.0.2.8")) == [leaf("source-address", "b")]
    assert of(one, sflow("b", source_address="192.0.2.7")) == []
    assert of(one, sflow("b")) == []
    assert of(one, sflow("b", agent_address="192.0.2.8", sub_agent_id=1)) == []
    netflow = Collector(
        name="c", address="192.0.2.1", protocol=Protocol.NETFLOW9, source_address="192.0.2.9"
    )
    assert of(one, netflow) == []


def test_every_fault_is_found() -> None:
    found = of(sflow("a", "0.0.0.0"), sflow("b", source_address="::1", agent_address="0.0.0.0"))
    assert found == [leaf("address"), leaf("source-address", "b"), leaf("agent-address", "b")]


@pytest.mark.parametrize(
    ("address", "multicast"),
    [
        ("223.255.255.255", False),
        ("224.0.0.0", True),
        ("239.255.255.255", True),
        ("240.0.0.1", False),
        ("ff02::1%eth0", True),
        ("fe80::1", False),
        ("ff::1", False),
        ("::ffff:1.2.3.4", False),
    ],
)
def test_multicast(address: str, multicast: bool) -> None:
    assert is_multicast(address) is multicast


def doors(ssh: NetconfSsh, http: Http) -> list[tuple[str, str, str]]:
    server = Server(netconf=Netconf(ssh=ssh), http=http)
    return shown(check_rules(Configuration(server=server)))


PORT = ("operation-failed", "", "/fxs:server/fxs:http/fxs:port")


def test_two_doors_cannot_share_a_port() -> None:
    assert doors(NetconfSsh(port=99), Http(port=99)) == [PORT]
    assert doors(NetconfSsh(port=99, address="0.0.0.0"), Http(port=99)) == [PORT]
    assert doors(NetconfSsh(port=99, address="127.0.0.2"), Http(port=99)) == []
    assert doors(NetconfSsh(port=99), Http(port=99, enabled=False)) == []
    assert doors(NetconfSsh(port=98), Http(port=99)) == []


def test_doors_do_not_listen_on_multicast() -> None:
    assert doors(NetconfSsh(address="224.0.0.1"), Http(address="ff02::1")) == [
        ("operation-failed", "", "/fxs:server/fxs:netconf/fxs:ssh/fxs:address"),
        ("operation-failed", "", "/fxs:server/fxs:http/fxs:address"),
    ]


def keys(*lines: str) -> list[tuple[str, str, str]]:
    server = Server(user=(User(name="u", authorized_key=lines),))
    return shown(check_rules(Configuration(server=server)))


def test_keys_of_users() -> None:
    path = "/fxs:server/fxs:user[fxs:name='u']/fxs:authorized-key"
    assert keys(ED25519) == []
    assert keys("nonsense") == [("invalid-value", "", f"{path}[.='nonsense']")]
    assert keys(ED25519, f"{ED25519} me@home") == [
        ("operation-failed", "data-not-unique", f"{path}[.='{ED25519} me@home']")
    ]


@pytest.mark.parametrize(
    "options", [("ed25519",), ("rsa", "-b", "2048"), ("ecdsa", "-b", "256"), ("ecdsa", "-b", "521")]
)
def test_keys_that_openssh_makes(tmp_path: Path, options: tuple[str, ...]) -> None:
    file = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-N", "", "-C", "me at home", "-f", str(file), "-t", *options]
    subprocess.run(command, check=True)
    line = file.with_suffix(".pub").read_text().strip()
    assert read_public_key(line) == read_public_key(" ".join(line.split()[:2]))
    with pytest.raises(PublicKeyError, match=r"private key|one line"):
        read_public_key(file.read_text())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "is not a type"),
        ("ssh-dss AAAA", "is not a type"),
        ('from="10.0.0.1" ' + ED25519, "is not a type"),
        ("ssh-ed25519", "not of the type"),
        ("ssh-ed25519 !!!!", "not in base64"),
        ("ssh-rsa " + ED25519.split()[1], "not of the type ssh-rsa"),
        (ED25519[:-4], "not of the type"),
        (ED25519 + "AAAAAA==", "something after its end"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAA==", "not a whole"),
        (ED25519 + "\nssh-rsa AAAA", "one line"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
    ],
)
def test_lines_that_are_no_keys(line: str, reason: str) -> None:
    with pytest.raises(PublicKeyError, match=reason):
        read_public_key(line)


def test_a_group_has_one_rate() -> None:
    interfaces = (
        SamplingInterface(name="wan", rate=100),
        SamplingInterface(name="lan", rate=100),
        SamplingInterface(name="dmz", rate=200, group=2),
        SamplingInterface(name="odd", rate=200),
    )
    sampling = Sampling(interface=interfaces)
    faults = check_rules(Configuration(flow_export=FlowExport(sampling=sampling)))
    path = "/fe:flow-export/fe:sampling/fe:interface[fe:name='odd']/fe:rate"
    assert shown(faults) == [("operation-failed", "", path)]
    assert "rate 200 differs from 100, which interface wan of the same group 1" in faults[0].message


@pytest.mark.parametrize(
    ("protocol", "enabled", "rate", "refused"),
    [
        (Protocol.NETFLOW5, True, 16383, False),
        (Protocol.NETFLOW5, True, 16384, True),
        (Protocol.NETFLOW5, False, 16384, False),
        (Protocol.NETFLOW9, True, 1_000_000, False),
    ],
)
def test_netflow5_has_no_room_for_high_rates(
    protocol: Protocol, enabled: bool, rate: int, refused: bool
) -> None:
    collector = Collector(
        name="a",
        address="192.0.2.1",
        protocol=protocol,
        sampled_flows=CollectorSampledFlows(enabled=enabled),
    )
    interfaces = (
        SamplingInterface(name="lan", rate=5),
        SamplingInterface(name="wan", rate=rate, group=2),
    )
    flow_export = FlowExport(collector=(collector,), sampling=Sampling(interface=interfaces))
    faults = check_rules(Configuration(flow_export=flow_export))
    expected = [leaf("sampled-flows/fe:enabled")] if refused else []
    assert shown(faults) == expected
    assert all("interface wan is sampled at one in 16384" in fault.message for fault in faults)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_simulated_devices_are_served_to_this_host(address: str) -> None:
    server = Server(http=Http(address=address, simulator_api=True))
    assert check_rules(Configuration(server=server)) == []


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::", "fe80::1%eth0"])
def test_simulated_devices_are_served_to_nobody_else(address: str) -> None:
    server = Server(http=Http(address=address, simulator_api=True))
    (fault,) = check_rules(Configuration(server=server))
    assert fault.path == "/fxs:server/fxs:http/fxs:simulator-api"
    assert check_rules(Configuration(server=Server(http=Http(address=address)))) == []
