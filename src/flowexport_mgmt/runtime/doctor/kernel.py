"""Checks of the host: privilege, modules, connection tracking, limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from flowexport_mgmt.link.messages import Finding
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.runtime.doctor.facts import CONNTRACK_MODULES, SAMPLING_MODULES, HostFacts
from flowexport_mgmt.runtime.doctor.findings import fail, fine, warn
from flowexport_mgmt.sources.conntrack.sockets import EVENT_BUFFER
from flowexport_mgmt.sources.conntrack.switches import sysctl_name

CAP_NET_ADMIN: Final = 12

_START_BY_UNIT: Final = "systemctl start flowexportd"
_TABLE_WARNING, _TABLE_ERROR = 0.8, 0.95
_DESCRIPTOR_WARNING: Final = 0.8
_NEEDED_SEND_BUFFER: Final = 212_992
"""What Linux gives a socket unless told; a burst of datagrams fits in it."""


def check_kernel(facts: HostFacts, config: fe.FlowExport | None) -> Iterator[Finding]:
    """Check what the configuration needs of the host."""
    samples = config is not None and bool(config.sampling.interface)
    follows = config is not None and config.conntrack is not None and config.conntrack.enabled
    yield _capability(facts, samples=samples, follows=follows)
    for name in SAMPLING_MODULES:
        yield _module(facts, name, SAMPLING_MODULES, "packet sampling", wanted=samples)
    for name in CONNTRACK_MODULES:
        yield _module(facts, name, CONNTRACK_MODULES[1:], "flows of connections", wanted=follows)
    yield from _conntrack(facts, wanted=follows)
    yield _table_size(facts)
    yield from _socket_buffers(facts, follows=follows)
    yield _descriptors(facts)


def _capability(facts: HostFacts, *, samples: bool, follows: bool) -> Finding:
    if facts.capabilities >> CAP_NET_ADMIN & 1:
        return fine("capability", "the exporter holds CAP_NET_ADMIN", "CAP_NET_ADMIN")
    users = [name for name, wanted in (("sampling", samples), ("conntrack", follows)) if wanted]
    if users:
        words = f"the exporter lacks CAP_NET_ADMIN, without which {' and '.join(users)} cannot work"
        return fail("capability", words, "CAP_NET_ADMIN", _START_BY_UNIT)
    words = "the exporter lacks CAP_NET_ADMIN; nothing that is configured needs it"
    return fine("capability", words, "CAP_NET_ADMIN", _START_BY_UNIT)


def _module(
    facts: HostFacts, name: str, together: Sequence[str], use: str, *, wanted: bool
) -> Finding:
    if name in facts.loaded:
        return fine("module", "in the kernel", name)
    load = f"modprobe -a {' '.join(together)}"
    if name in facts.available:
        words = f"not loaded; {use} needs it"
        return (warn if wanted else fine)("module", words, name, load)
    words = f"kernel {facts.release} does not have it; {use} needs it"
    if not wanted:
        return fine("module", f"{words} and is not configured", name)
    remedy = f"{load} || apt-get install linux-image-amd64"
    return fail("module", words, name, remedy)


def _conntrack(facts: HostFacts, *, wanted: bool) -> Iterator[Finding]:
    """Check the switches that decide what the kernel keeps of a connection."""
    switches = facts.switches
    missing = "there is no connection tracking in this network namespace"
    for check, name, value, lost in (
        ("conntrack-accounting", "acct", switches.acct, "packets and octets are not counted"),
        ("conntrack-events", "events", switches.events, "ends of connections are not told"),
        (
            "conntrack-timestamps",
            "timestamp",
            switches.timestamp,
            "the beginnings of connections are not known",
        ),
    ):
        full, mend = sysctl_name(name), f"sysctl -w {sysctl_name(name)}=1"
        if value is None:
            load = f"modprobe {CONNTRACK_MODULES[-1]}"
            yield (fail if wanted else fine)(check, missing, full, load)
        elif value == 1:
            yield fine(check, "switched on", full)
        elif value == 0:
            grade = fail if name == "acct" else warn
            yield (grade if wanted else fine)(check, f"switched off: {lost}", full, mend)
        else:
            words = "2: ends of connections that were there before the exporter are not told"
            yield (warn if wanted else fine)(check, words, full, mend)


def _table_size(facts: HostFacts) -> Finding:
    count, most = facts.connections, facts.max_connections
    name = "net.netfilter.nf_conntrack_max"
    if count is None or not most:
        return fine("conntrack-table-size", "there is no table of connections", name)
    words = f"{count} of {most} connections"
    mend = f"sysctl -w {name}={2 * most}"
    if count > _TABLE_ERROR * most:
        full = f"{words}: the kernel refuses new ones when the table is full"
        return fail("conntrack-table-size", full, name, mend)
    if count > _TABLE_WARNING * most:
        return warn("conntrack-table-size", words, name, mend)
    return fine("conntrack-table-size", words, name)


def _socket_buffers(facts: HostFacts, *, follows: bool) -> Iterator[Finding]:
    may_force = bool(facts.capabilities >> CAP_NET_ADMIN & 1)
    yield _buffer("net.core.rmem_max", facts.rmem_max, EVENT_BUFFER, may_force or not follows)
    yield _buffer("net.core.wmem_max", facts.wmem_max, _NEEDED_SEND_BUFFER, unneeded=False)


def _buffer(name: str, found: int | None, wanted: int, unneeded: bool) -> Finding:
    if found is None:
        return fine("socket-buffers", "the kernel does not tell", name)
    if found >= wanted:
        return fine("socket-buffers", f"{found} octets", name)
    if unneeded:
        return fine("socket-buffers", f"{found} octets; the exporter may exceed it", name)
    words = f"{found} octets, and {wanted} are wanted for bursts"
    return warn("socket-buffers", words, name, f"sysctl -w {name}={wanted}")


def _descriptors(facts: HostFacts) -> Finding:
    words = f"{facts.descriptors} of {facts.max_descriptors} are open"
    if facts.descriptors > _DESCRIPTOR_WARNING * facts.max_descriptors:
        mend = f"systemctl edit flowexportd  # [Service] LimitNOFILE={4 * facts.max_descriptors}"
        return warn("descriptors", words, "exporter", mend)
    return fine("descriptors", words, "exporter")
