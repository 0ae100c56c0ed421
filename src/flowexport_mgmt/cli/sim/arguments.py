"""The command line, as other simulators of this kind have it: one dash or two."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, Final

from flowexport_mgmt.simulator.formats import Endpoint, Format
from flowexport_mgmt.simulator.roles import DEVICE_TYPES, ROLES
from flowexport_mgmt.simulator.words import read_collector, read_duration, read_protocol

Address = IPv4Address | IPv6Address

_IP_AND_UDP: Final = {4: 28, 6: 48}
"""Octets of the headers of a datagram."""
_TRUE: Final = frozenset(("true", "t", "1", "yes"))
_FALSE: Final = frozenset(("false", "f", "0", "no"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for; times are milliseconds, and None is what the model has."""

    start: Address | None
    count: int
    netmask: int | None
    role: str | None
    collector: Endpoint | None
    protocol: Format
    tick_ms: int | None
    active_ms: int | None
    inactive_ms: int | None
    template_ms: int | None
    source_per_device: bool
    sub_agent_id: int
    mtu: int
    record_format: str
    seed: int | None
    rate_limit: int | None
    network_namespace: str | None
    port: int
    netconf_port: int | None
    gnmi_port: int | None
    duration_ms: int | None
    ledger: Path | None
    version: bool

    @property
    def has_doors(self) -> bool:
        """Whether people log in."""
        return self.netconf_port is not None or self.gnmi_port is not None

    @property
    def max_datagram(self) -> int:
        """UDP payload that fits the MTU."""
        return self.mtu - _IP_AND_UDP[4 if self.start is None else self.start.version]


class _Parser(argparse.ArgumentParser):
    """Takes every option with one dash and with two."""

    def option(self, name: str, **settings: Any) -> None:
        self.add_argument(f"-{name}", f"--{name}", dest=name.replace("-", "_"), **settings)


def read_options(arguments: Sequence[str] | None) -> Options:
    """Read the command line; SystemExit(2) with the reason for what is none."""
    parser = _make_parser()
    given = parser.parse_args(arguments)
    if given.auto_start_ip is None and (given.auto_count or given.flow_collector):
        parser.error("-auto-count and -flow-collector need -auto-start-ip")
    if given.flow_collector is not None and given.auto_start_ip is not None:
        given.flow_collector = _resolve(parser, given.flow_collector, given.auto_start_ip)
    return Options(
        start=given.auto_start_ip,
        count=given.auto_count or 1,
        netmask=given.auto_netmask,
        role=given.auto_role,
        collector=given.flow_collector,
        protocol=given.flow_protocol,
        tick_ms=given.flow_tick_interval,
        active_ms=given.flow_active_timeout,
        inactive_ms=given.flow_inactive_timeout,
        template_ms=given.flow_template_interval,
        source_per_device=given.flow_source_per_device,
        sub_agent_id=given.flow_sub_agent_id,
        mtu=given.datagram_mtu,
        record_format=given.record_format,
        seed=given.seed,
        rate_limit=given.rate_limit,
        network_namespace=given.network_namespace,
        port=given.port,
        netconf_port=given.netconf_port,
        gnmi_port=given.gnmi_port,
        duration_ms=given.duration,
        ledger=given.ledger,
        version=given.version,
    )


def _make_parser() -> _Parser:
    parser = _Parser(
        prog="flowexport-sim",
        description="Simulate devices that export flows, each from an address of its own.",
        epilog="Times are seconds, or durations such as 500ms and 1m30s. While it runs, devices are"
        " made, seen and deleted over HTTP: see /api/v1/devices on the port.",
        add_help=False,
        allow_abbrev=False,
    )
    _add_devices(parser)
    _add_flows(parser)
    _add_program(parser)
    return parser


def _add_devices(parser: _Parser) -> None:
    kinds = sorted({*ROLES, *DEVICE_TYPES})
    parser.option("auto-start-ip", type=_read(ip_address), metavar="A", help="the first address")
    parser.option("auto-count", type=_number(1, 100_000), metavar="N", help="how many devices")
    parser.option(
        "auto-netmask",
        type=_number(1, 128),
        metavar="BITS",
        help="the prefix that is made local as a whole; else their addresses only",
    )
    parser.option(
        "auto-role",
        type=_read(lambda text: kinds[kinds.index(text)]),
        metavar="ROLE",
        help="a role or a device type (default: edge-router)",
    )
    parser.option(
        "network-namespace", metavar="NAME", help="where they speak; made when it is absent"
    )


def _add_flows(parser: _Parser) -> None:
    seconds: dict[str, Any] = {"type": _read(_seconds), "metavar": "S"}
    parser.option("flow-collector", type=_read(read_collector), metavar="H:P", help="send to it")
    parser.option(
        "flow-protocol",
        type=_read(read_protocol),
        default=Format.NETFLOW9,
        metavar="P",
        help="sflow, netflow5, netflow9 (default) or ipfix",
    )
    parser.option("flow-tick-interval", **seconds, help="how often devices look (default: 5)")
    parser.option("flow-active-timeout", **seconds, help="of flows that go on (default: 30)")
    parser.option("flow-inactive-timeout", **seconds, help="of flows that rest (default: 15)")
    parser.option("flow-template-interval", **seconds, help="of templates (default: 60)")
    parser.option(
        "flow-source-per-device",
        type=_read(_truth),
        nargs="?",
        const=True,
        default=True,
        metavar="BOOL",
        help="=false to send all from one address of this host",
    )
    parser.option(
        "flow-sub-agent-id", type=_number(0, 0xFFFFFFFF), default=0, metavar="N", help="of sFlow"
    )
    parser.option(
        "datagram-mtu",
        type=_number(512, 9028),
        default=1500,
        metavar="OCTETS",
        help="the largest packet (default: 1500)",
    )
    parser.option(
        "record-format",
        choices=("classic", "extended"),
        default="classic",
        help="the fields of flow records",
    )
    parser.option(
        "rate-limit", type=_number(1, 10_000_000), metavar="N", help="datagrams in a second"
    )
    parser.option("seed", type=_number(0, (1 << 64) - 1), metavar="N", help="draw the same again")


def _add_program(parser: _Parser) -> None:
    parser.option(
        "port", type=_number(1, 65535), default=8080, metavar="N", help="of HTTP (default: 8080)"
    )
    parser.option("netconf-port", type=_number(1, 65535), metavar="N", help="serve NETCONF too")
    parser.option("gnmi-port", type=_number(1024, 65535), metavar="N", help="serve gNMI too")
    parser.option(
        "duration", type=_read(_seconds), metavar="S", help="end by itself (default: never)"
    )
    parser.option("ledger", type=Path, metavar="FILE", help="write down what each device sent")
    parser.option("version", action="store_true", help="say which version this is and end")
    parser.add_argument("-h", "-help", "--help", action="help", help="say this and end")


def _read(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let argparse tell why a value is refused."""

    def reading(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return reading


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text[:24]) <= most:
            raise argparse.ArgumentTypeError(f"{text[:64]!r} is not from {least} to {most}")
        return int(text)

    return read


def _seconds(text: str) -> int:
    """Read seconds, or a duration, as milliseconds."""
    try:
        found = read_duration(f"{text}s")
    except ValueError:
        found = read_duration(text)
    if found < 100:
        raise ValueError(f"{text!r} is less than 100ms")
    return found


def _truth(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() in _TRUE


def _resolve(parser: argparse.ArgumentParser, collector: Endpoint, start: Address) -> Endpoint:
    """Find the collector's address, of the family of the devices where it has a name."""
    try:
        return Endpoint(str(ip_address(collector.address)), collector.port)
    except ValueError:
        pass
    family = socket.AF_INET if start.version == 4 else socket.AF_INET6
    try:
        found = socket.getaddrinfo(collector.address, collector.port, family, socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        parser.error(f"-flow-collector: {collector.address} has no IPv{start.version} address")
    return Endpoint(str(found[0][4][0]), collector.port)
