"""Capture entries of every kind from the kernel, and what conntrack(8) says of them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import numpy as np
from tests.support.conntrack import Road, road, set_switches, track
from tests.support.packets import SCTP_HANDSHAKE, ping, send_sctp

from flowexport_mgmt.sources.conntrack.sockets import open_netfilter
from flowexport_mgmt.wire.conntrack import learn, make_dump_request, split
from flowexport_mgmt.wire.conntrack import numbers as n

FILE = Path(__file__).with_name("linux.json")
UDPLITE = 136
_SEQUENCE = 77
_RULES = (
    "chain zoned { type filter hook prerouting priority raw; ip saddr 10.7.0.9 ct zone set 7; }",
    "chain translated {",
    "type nat hook postrouting priority srcnat; oifname port1 udp dport 99 masquerade; }",
)


def main() -> None:
    """Make traffic, and write the file."""
    with road() as way:
        with way.router.inside():
            set_switches()
            track(*_RULES)
        _make_traffic(way)
        with way.router.inside(), open_netfilter() as events:
            events.bind((0, 1 << n.GROUP_DESTROY - 1))
            dumped = _dump()
            said = "".join(_list(family) for family in ("ipv4", "ipv6"))
            ended = _flush(events)
    lines = {line.rpartition(" id=")[2].split()[0]: line for line in said.splitlines()}
    messages = [{"hex": one.hex(), "said": lines[_id(one)]} for one in (*dumped, *ended)]
    program = subprocess.run(["conntrack", "-V"], capture_output=True, text=True, check=True)
    document = {
        "kernel": os.uname().release.split("-")[0],
        "decoded-by": program.stdout.strip(),
        "messages": messages,
    }
    FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _make_traffic(way: Road) -> None:
    with way.far.inside():
        server = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
    with way.near.inside():
        clients = [socket.create_connection((host, 80)) for host in ("10.8.0.2", "fd08::2")]
        for client in clients:
            client.sendall(bytes(1000))
        for protocol, source, port in (
            (0, "", 9),
            (0, "10.7.0.9", 9),
            (0, "", 99),
            (UDPLITE, "", 9),
        ):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, protocol) as sender:
                sender.bind((source, 0))
                sender.sendto(b"hello", ("10.8.0.2", port))
        ping("10.8.0.2", 1)
        ping("fd08::2", 2)
    for chunk, asks in SCTP_HANDSHAKE:
        host, ends, ports = way.near, ("10.7.0.1", "10.8.0.2"), (1000, 2000)
        if not asks:
            host, ends, ports = way.far, (ends[1], ends[0]), (2000, 1000)
        with host.inside():
            send_sctp(*ends, ports, chunk)
    clients[0].close()
    server.close()


def _dump() -> list[bytes]:
    with open_netfilter() as link:
        link.send(make_dump_request(_SEQUENCE))
        return _split(link.recv(1 << 16))


def _split(data: bytes) -> list[bytes]:
    octets = np.frombuffer(bytearray(data), np.uint8)
    found = split(octets, _SEQUENCE)
    return [
        data[begin : begin + length]
        for begin, length, kind in zip(found.offsets, found.lengths, found.kinds, strict=True)
        if kind >= n.CT_NEW
    ]


def _list(family: str) -> str:
    command = ["conntrack", "-L", "-f", family, "-o", "extended,id,ktimestamp"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _flush(events: socket.socket) -> list[bytes]:
    subprocess.run(["conntrack", "-F"], capture_output=True, check=True)
    found = []
    events.settimeout(0.5)
    while True:
        try:
            found.append(events.recv(1 << 16))
        except (BlockingIOError, TimeoutError):
            return found


def _id(message: bytes) -> str:
    place, _ = learn(message).places["id"]
    return str(int.from_bytes(message[place : place + 4], "big"))


if __name__ == "__main__":
    main()
