from __future__ import annotations

import ipaddress
import socket

import pytest

from flowexport_mgmt.export.endpoint import (
    Endpoint,
    check_host,
    has_local_address,
    local_address,
    set_dscp,
)
from flowexport_mgmt.export.failure import EndpointError


@pytest.mark.parametrize(
    ("endpoint", "leaf", "words"),
    [
        (Endpoint("0.0.0.0", 1), "address", "names no host"),
        (Endpoint("::", 1), "address", "names no host"),
        (Endpoint("192.0.2.1", 1, "0.0.0.0"), "source-address", "names no host"),
        (Endpoint("192.0.2.1", 1, "::1"), "source-address", "is IPv6, address 192.0.2.1 is IPv4"),
        (Endpoint("::1", 1, "127.0.0.1"), "source-address", "is IPv4, address ::1 is IPv6"),
        (Endpoint("192.0.2.1%eth0", 1), "address", "IPv4 does not know"),
        (Endpoint("fe80::1", 1), "address", "needs a zone"),
        (Endpoint("fe80::1%eth0", 1, "fe80::2"), "source-address", "needs a zone"),
    ],
)
def test_addresses_that_can_never_work_are_refused(
    endpoint: Endpoint, leaf: str, words: str
) -> None:
    with pytest.raises(EndpointError, match=words) as caught:
        endpoint.check()
    assert (caught.value.leaf, caught.value.transient) == (leaf, False)


@pytest.mark.parametrize(
    ("endpoint", "leaf", "words"),
    [
        (Endpoint("127.0.0.1", 1, "192.0.2.77"), "source-address", "not an address of this host"),
        (Endpoint("::1", 1, "2001:db8::77"), "source-address", "not an address of this host"),
        (Endpoint("fe80::1%nonesuch", 1), "address", "there is no interface nonesuch"),
        (Endpoint("fe80::1%4294967297", 1), "address", "there is no interface 4294967297"),
        (Endpoint("255.255.255.255", 1), "address", "EACCES"),
    ],
)
def test_what_the_kernel_refuses_names_leaf_and_reason(
    endpoint: Endpoint, leaf: str, words: str
) -> None:
    with pytest.raises(EndpointError, match=words) as caught:
        endpoint.connect(0)
    assert (caught.value.leaf, caught.value.transient) == (leaf, False)


def test_an_agent_address_may_be_any_host_s() -> None:
    assert check_host("agent-address", "fe80::1%eth0") == ipaddress.ip_address("fe80::1")
    with pytest.raises(EndpointError, match="agent-address :: names no host"):
        check_host("agent-address", "::")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_socket_knows_where_it_sends_from(address: str) -> None:
    with Endpoint(address, 9, address).connect(0) as link:
        assert link.getpeername()[:2] == (address, 9)
        assert not link.getblocking()
        assert local_address(link) == ipaddress.ip_address(address)
        assert has_local_address(link)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_dscp_fills_the_upper_bits(address: str) -> None:
    v6 = ":" in address
    level, option = (
        (socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if v6 else (socket.IPPROTO_IP, socket.IP_TOS)
    )
    with Endpoint(address, 9).connect(46) as link:
        assert link.getsockopt(level, option) == 46 << 2
        set_dscp(link, 0)
        assert link.getsockopt(level, option) == 0
