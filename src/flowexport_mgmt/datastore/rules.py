"""Rules across entries, and those that YANG cannot say: linear checks on the typed configuration.

A ``must`` that walks siblings costs seconds at a thousand entries; these cost milliseconds and
raise the same errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple

from flowexport_mgmt.credentials.passwords import is_cleartext, refusal
from flowexport_mgmt.datastore.device_rules import check_devices
from flowexport_mgmt.datastore.public_keys import PublicKeyError, read_public_key
from flowexport_mgmt.errors import ErrorTag, Fault
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.model.flow_export import (
    Collector,
    FlowExport,
    Protocol,
    Sampling,
    SamplingInterface,
)
from flowexport_mgmt.model.server import Gnmi, Server, User
from flowexport_mgmt.schema.paths import quote

_UNSPECIFIED = frozenset(("0.0.0.0", "::"))  # noqa: S104 - compared with, not listened on
_MAX_V5_RATE = (1 << 14) - 1
_BROADCAST = "255.255.255.255"


def check_rules(configuration: Configuration) -> list[Fault]:
    """Give every fault of a configuration that is valid by its schema."""
    collectors = configuration.flow_export.collector if configuration.flow_export else ()
    faults = [fault for collector in collectors for fault in _check_addresses(collector)]
    faults += _check_agents(collectors)
    if configuration.flow_export is not None:
        faults += _check_groups(configuration.flow_export.sampling)
        faults += _check_rates(configuration.flow_export)
    faults += check_devices(configuration.simulation)
    faults += _check_doors(configuration.server)
    faults += _check_simulator_api(configuration.server)
    faults += _check_plaintext(configuration.server.gnmi)
    for user in configuration.server.user:
        faults += [*_check_keys(user), *_check_password(user)]
    return faults


def _refuse(path: str, message: str, app_tag: str = "") -> Fault:
    return Fault(tag=ErrorTag.OPERATION_FAILED, message=message, app_tag=app_tag, path=path)


# -- addresses


def _leaf(collector: Collector, leaf: str) -> str:
    return f"/fe:flow-export/fe:collector[fe:name={quote(collector.name)}]/fe:{leaf}"


def _check_addresses(collector: Collector) -> Iterator[Fault]:
    address, source = collector.address, collector.source_address
    if address in _UNSPECIFIED:
        yield _refuse(_leaf(collector, "address"), f"{address} is no destination")
    elif address == _BROADCAST:
        yield _refuse(_leaf(collector, "address"), "datagrams are not sent to broadcast addresses")
    if source is not None:
        if (":" in source) != (":" in address):
            message = f"{source} is not of the same family as the collector's address {address}"
            yield _refuse(_leaf(collector, "source-address"), message)
        yield from _check_own(_leaf(collector, "source-address"), source)
    if collector.agent_address is not None:
        yield from _check_own(_leaf(collector, "agent-address"), collector.agent_address)


def _check_own(path: str, address: str) -> Iterator[Fault]:
    """Check an address that is to be one of this host's."""
    if address in _UNSPECIFIED:
        yield _refuse(path, f"{address} names no host")
    elif is_multicast(address) or address == _BROADCAST:
        yield _refuse(path, f"{address} is not an address of a host")


def is_multicast(address: str) -> bool:
    """Say whether a canonical IPv4 or IPv6 address, with or without a zone, is multicast."""
    if ":" in address:
        return address.startswith("ff") and address.index(":") == 4
    return 224 <= int(address.partition(".")[0]) <= 239


# -- sub-agents


def _check_agents(collectors: tuple[Collector, ...]) -> Iterator[Fault]:
    """Collectors of one sub-agent see one agent; an address that the kernel picks is not known."""
    first: dict[int, tuple[Collector, str]] = {}
    for collector in collectors:
        agent = collector.agent_address or collector.source_address
        if collector.protocol is not Protocol.SFLOW or agent is None:
            continue
        other, address = first.setdefault(collector.sub_agent_id, (collector, agent))
        if address != agent:
            yield _refuse(
                _leaf(collector, "agent-address" if collector.agent_address else "source-address"),
                f"agent address {agent} differs from {address}, which collector {other.name} of the"
                f" same sub-agent-id {collector.sub_agent_id} has",
            )


# -- sampling


def _check_groups(sampling: Sampling) -> Iterator[Fault]:
    """Check that the samples of a group stand for equally many packets."""
    first: dict[int, SamplingInterface] = {}
    for interface in sampling.interface:
        other = first.setdefault(interface.group, interface)
        if other.rate != interface.rate:
            yield _refuse(
                "/fe:flow-export/fe:sampling"
                f"/fe:interface[fe:name={quote(interface.name)}]/fe:rate",
                f"rate {interface.rate} differs from {other.rate}, which interface {other.name} of"
                f" the same group {interface.group} has",
            )


# -- sampling


def _check_rates(flow_export: FlowExport) -> Iterator[Fault]:
    """NetFlow v5 has 14 bits for the rate of the records that it has room for."""
    too_high = next((i for i in flow_export.sampling.interface if i.rate > _MAX_V5_RATE), None)
    if too_high is None:
        return
    for collector in flow_export.collector:
        if collector.protocol is Protocol.NETFLOW5 and collector.sampled_flows.enabled:
            yield _refuse(
                _leaf(collector, "sampled-flows") + "/fe:enabled",
                f"interface {too_high.name} is sampled at one in {too_high.rate}; netflow5 can tell"
                f" of one in {_MAX_V5_RATE} at most",
            )


# -- doors


class _Door(NamedTuple):
    """Where a door listens: its path, how people call it, its address and port."""

    path: str
    name: str
    address: str
    port: int


def _doors(server: Server) -> Iterator[_Door]:
    ssh, tls, http, gnmi = server.netconf.ssh, server.netconf.tls, server.http, server.gnmi
    for enabled, path, name, door in (
        (ssh.enabled, "netconf/fxs:ssh", "NETCONF over SSH", ssh),
        (tls.enabled, "netconf/fxs:tls", "NETCONF over TLS", tls),
        (gnmi.enabled, "gnmi", "gNMI", gnmi),
        (http.enabled, "http", "HTTP", http),
    ):
        if enabled:
            yield _Door(f"/fxs:server/fxs:{path}", name, door.address, door.port)


def _check_doors(server: Server) -> Iterator[Fault]:
    earlier: list[_Door] = []
    for door in _doors(server):
        if is_multicast(door.address) or door.address == _BROADCAST:
            yield _refuse(f"{door.path}/fxs:address", f"{door.address} cannot be listened on")
        for other in earlier:
            if door.port == other.port and _overlap(door.address, other.address):
                message = f"port {other.port} is that of {other.name} on {other.address}"
                yield _refuse(f"{door.path}/fxs:port", message)
        earlier.append(door)


def _check_simulator_api(server: Server) -> Iterator[Fault]:
    """Whoever reaches it may change simulated devices: nobody but this host shall."""
    http = server.http
    if http.simulator_api and not ip_address(http.address.partition("%")[0]).is_loopback:
        message = f"it is served on loopback only, and the server listens on {http.address}"
        yield _refuse("/fxs:server/fxs:http/fxs:simulator-api", message)


def _check_plaintext(gnmi: Gnmi) -> Iterator[Fault]:
    """Passwords are not sent over a network that others can read."""
    if gnmi.plaintext and not ip_address(gnmi.address.partition("%")[0]).is_loopback:
        message = f"{gnmi.address} is no loopback address, and only there TLS can be done without"
        yield _refuse("/fxs:server/fxs:gnmi/fxs:plaintext", message)


def _overlap(one: str, other: str) -> bool:
    return one == other or bool({one, other} & _UNSPECIFIED)


# -- users


def _user(user: User, leaf: str) -> str:
    return f"/fxs:server/fxs:user[fxs:name={quote(user.name)}]/fxs:{leaf}"


def _check_password(user: User) -> Iterator[Fault]:
    stored = user.password_hash
    if stored is None or is_cleartext(stored):
        return
    reason = refusal(stored)
    if reason:
        path = _user(user, "password-hash")
        yield Fault(tag=ErrorTag.INVALID_VALUE, message=reason, path=path)


def _check_keys(user: User) -> Iterator[Fault]:
    seen: set[bytes] = set()
    for line in user.authorized_key:
        path = _user(user, f"authorized-key[.={quote(line)}]")
        try:
            blob = read_public_key(line)
        except PublicKeyError as error:
            yield Fault(tag=ErrorTag.INVALID_VALUE, message=str(error), path=path)
            continue
        if blob in seen:
            yield _refuse(path, "the same key is given twice", "data-not-unique")
        seen.add(blob)
