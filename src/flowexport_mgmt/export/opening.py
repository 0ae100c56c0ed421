"""From a collector's configuration to what its messages leave by."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from flowexport_mgmt.credentials import CredentialsError, KeyFolders, client_context
from flowexport_mgmt.export.endpoint import Endpoint, check_host
from flowexport_mgmt.export.failure import EndpointError
from flowexport_mgmt.export.network import OpenInNamespace, find_network
from flowexport_mgmt.export.sender import Sender
from flowexport_mgmt.export.stream import StreamSender
from flowexport_mgmt.export.tls import TlsLayer
from flowexport_mgmt.export.udp import UdpSender
from flowexport_mgmt.link.namespaces import make_namespace, open_in_namespace
from flowexport_mgmt.model import flow_export as fe


@dataclass(frozen=True, slots=True)
class Facilities:
    """What opening takes beside the configuration: where keys are, and who enters namespaces."""

    keys: KeyFolders = field(default_factory=KeyFolders)
    open_in_namespace: OpenInNamespace = open_in_namespace
    make_namespace: Callable[[str], None] = make_namespace


OWN_FACILITIES: Final = Facilities()
"""No key folders, and this process enters namespaces itself, which takes a privilege."""


def is_stream(config: fe.Collector) -> bool:
    """Tell whether messages follow each other on a connection."""
    return config.transport is not fe.Transport.UDP


def check_addresses(config: fe.Collector) -> None:
    """Refuse addresses that can never work.

    Raises:
        EndpointError: naming the leaf and the reason.
    """
    _endpoint(config).check()
    if config.agent_address is not None:
        check_host("agent-address", config.agent_address)


def open_sender(config: fe.Collector, facilities: Facilities = OWN_FACILITIES) -> Sender:
    """Open what a collector's messages leave by; a connection is made later.

    Raises:
        EndpointError: the configuration cannot work, or not now.
    """
    check_addresses(config)
    network = find_network(config.network_instance, facilities.open_in_namespace)
    if not is_stream(config):
        return UdpSender(_endpoint(config).connect(config.dscp, network), network.is_current)
    tls = _make_tls(config, facilities.keys) if config.transport is fe.Transport.TLS else None
    link, remote = _endpoint(config).open(socket.SOCK_STREAM, config.dscp, network)
    return StreamSender(link, remote, tls, network.is_current)


def _endpoint(config: fe.Collector) -> Endpoint:
    return Endpoint(config.address, config.port, config.source_address or "")


def _make_tls(config: fe.Collector, keys: KeyFolders) -> TlsLayer:
    name = config.tls.server_name or config.address.partition("%")[0]
    try:
        return TlsLayer(client_context(config.tls, keys), name)
    except CredentialsError as error:
        raise EndpointError(f"tls/{error.leaf}", f"tls/{error}") from error
    except ValueError as error:
        message = f"tls/server-name {name}: {error}"
        raise EndpointError("tls/server-name", message) from error
