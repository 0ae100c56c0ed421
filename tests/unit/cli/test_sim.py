"""The command line of flowexport-sim, and the configuration that it stands for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowexport_mgmt.cli.sim.arguments import read_options
from flowexport_mgmt.cli.sim.document import Login, find_keys, write_document
from flowexport_mgmt.cli.sim.main import main
from flowexport_mgmt.datastore.documents import valid_configuration
from flowexport_mgmt.model.simulation import Simulation
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.from_json import edits_from_json

DEVICES = ["-auto-start-ip", "10.0.0.1", "-auto-count", "5"]


@pytest.fixture(scope="module")
def schema() -> SchemaContext:
    return SchemaContext()


def simulation(schema: SchemaContext, *arguments: str) -> Simulation:
    """Read what the daemon makes of a command line."""
    document = json.dumps(write_document(read_options(arguments))).encode()
    return valid_configuration(schema, edits_from_json(schema, document)).configuration.simulation


def test_everything_is_in_the_configuration(schema: SchemaContext) -> None:
    made = simulation(
        schema,
        *("--auto-start-ip=10.0.0.1", "-auto-count=7", "-auto-netmask", "16"),
        *("--auto-role", "cisco_ios", "-flow-collector", "192.0.2.1:2055"),
        *("-flow-protocol", "SFLOW", "-flow-tick-interval", "2", "-flow-active-timeout", "1m30s"),
        *("-flow-inactive-timeout", "500ms", "-flow-template-interval", "30"),
        *("-flow-source-per-device=false", "-flow-sub-agent-id", "3", "-datagram-mtu", "1400"),
        *("-seed", "18446744073709551615", "-record-format", "extended", "-rate-limit", "9"),
        *("-network-namespace", "lab"),
    )
    (group,) = made.device_group
    flow = group.flow
    assert flow is not None
    assert (made.tick_interval, made.template_interval, made.seed) == (2000, 30, (1 << 64) - 1)
    assert (made.source_per_device, made.network_namespace, made.rate_limit) == (False, "lab", 9)
    assert made.max_datagram_size == 1372
    assert (group.start_address, group.count, group.prefix_length) == ("10.0.0.1", 7, 16)
    assert group.resource == "cisco_ios"
    assert (flow.collector_address, flow.collector_port) == ("192.0.2.1", 2055)
    assert (flow.protocol, flow.record_format, flow.sub_agent_id) == ("sflow", "extended", 3)
    assert (flow.active_timeout, flow.inactive_timeout) == (90_000, 500)


def test_what_is_not_given_is_what_the_model_has(schema: SchemaContext) -> None:
    made = simulation(schema, *DEVICES)
    (group,) = made.device_group
    assert (group.role, group.resource, group.flow) == ("edge-router", None, None)
    assert (made.tick_interval, made.max_datagram_size) == (5000, 1472)
    assert simulation(schema).device_group == ()
    assert simulation(schema, *DEVICES, "-flow-source-per-device").source_per_device


@pytest.mark.parametrize(
    "collector", ["localhost:2055", "127.0.0.1:2055"], ids=["a name", "an address"]
)
def test_a_collector_is_resolved_once(schema: SchemaContext, collector: str) -> None:
    (group,) = simulation(schema, *DEVICES, "-flow-collector", collector).device_group
    assert group.flow is not None
    assert group.flow.collector_address == "127.0.0.1"


def server(*arguments: str, login: Login | None = None) -> Any:
    return write_document(read_options(arguments), login)["flow-export-server:server"]


def test_doors_are_open_where_a_port_is_given() -> None:
    assert server() == {
        "netconf": {"ssh": {"enabled": False}},
        "gnmi": {"enabled": False},
        "http": {"port": 8080, "simulator-api": True},
    }
    login = Login("me", "secret", ("ssh-ed25519 AAAA",))
    made = server("-port", "9", "-netconf-port", "8300", "-gnmi-port", "9339", login=login)
    assert made["http"]["port"] == 9
    assert made["netconf"]["ssh"] == {"enabled": True, "port": 8300}
    assert made["gnmi"] == {"enabled": True, "port": 9339}
    (user,) = made["user"]
    assert user["authorized-key"] == ["ssh-ed25519 AAAA"]
    assert user["password-hash"] == "$0$secret"


def test_keys_of_whoever_runs_it(tmp_path: Path) -> None:
    folder = tmp_path / ".ssh"
    assert find_keys(tmp_path) == []
    folder.mkdir()
    (folder / "id_ed25519.pub").write_text("ssh-ed25519 AAAA me@here\n")
    (folder / "id_rsa").write_text("secret")
    (folder / "id_odd.pub").write_text("not a key\n")
    assert find_keys(tmp_path) == ["ssh-ed25519 AAAA me@here"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-auto-count", "5"], "need -auto-start-ip"),
        (["-flow-collector", "h:1"], "need -auto-start-ip"),
        (["-auto-start-ip", "x"], "'x' does not appear to be an IPv4 or IPv6 address"),
        ([*DEVICES, "-flow-collector", "h"], '"h" is not host:port'),
        ([*DEVICES, "-flow-collector", "host.invalid:1"], "host.invalid has no IPv4 address"),
        ([*DEVICES, "-flow-protocol", "x"], '"x" is none of'),
        ([*DEVICES, "-flow-tick-interval", "-1"], "-flow-tick-interval"),
        ([*DEVICES, "-flow-tick-interval", "0.01"], "less than 100ms"),
        ([*DEVICES, "-auto-role", "vax"], "-auto-role"),
        ([*DEVICES, "-flow-source-per-device=maybe"], "neither true nor false"),
        (["-port", "0"], "is not from 1 to 65535"),
        (["--auto-c", "5"], "unrecognized arguments"),
        (["now"], "unrecognized arguments"),
    ],
)
def test_what_is_no_command_line(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_options(arguments)
    assert ended.value.code == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("dash", ["-", "--"])
def test_version_and_help(dash: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{dash}version"]) == 0
    assert capsys.readouterr().out.startswith("flowexport-sim ")
    with pytest.raises(SystemExit) as ended:
        main([f"{dash}help"])
    assert ended.value.code == 0
    assert "-auto-start-ip" in capsys.readouterr().out
