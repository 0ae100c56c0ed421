"""Routes of a test's own network, and what ip(8) says of them."""

from __future__ import annotations

import ipaddress
import json
import random
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from tests.support.conditions import wait_until
from tests.support.namespaces import Namespace

from flowexport_mgmt.enrich import Fib
from flowexport_mgmt.records import FlowBatch


@dataclass(frozen=True)
class Answer:
    """The kernel's word on a destination: ways on, none where packets go no further."""

    length: int
    hops: frozenset[tuple[str, str]] = frozenset()


NOWHERE = ("", "")


def column(addresses: Iterable[str]) -> Any:
    """Make a column of addresses of one family."""
    parsed = [ipaddress.ip_address(address) for address in addresses]
    if parsed[0].version == 4:
        return np.array([int(each) for each in parsed], np.uint32)
    return np.array([divmod(int(each), 1 << 64) for each in parsed], np.uint64)


def flows(sources: Iterable[str], destinations: Iterable[str], **columns: Any) -> FlowBatch:
    """Make flows of one packet between addresses."""
    src, dst = column(sources), column(destinations)
    zeros = np.zeros(len(src), np.uint64)
    return FlowBatch(
        **{
            "version": 4 if src.ndim == 1 else 6,
            "src": src,
            "dst": dst,
            "src_port": zeros.astype(np.uint16),
            "dst_port": zeros.astype(np.uint16),
            "protocol": zeros.astype(np.uint8),
            "octets": zeros + np.uint64(100),
            "packets": zeros + np.uint64(1),
            "start_ms": zeros,
            "end_ms": zeros,
            "in_if": zeros.astype(np.uint32),
            "out_if": zeros.astype(np.uint32),
            **columns,
        }
    )


def add(host: Namespace, *lines: str) -> None:
    """Run many commands of ip(8) at once."""
    command = ["ip", "-n", host.name, "-batch", "-"]
    done = subprocess.run(
        command, input="\n".join(lines) + "\n", capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr


def ask_kernel(host: Namespace, destinations: Iterable[str], *words: str) -> list[Answer | None]:
    """Ask which route is taken to each destination; None where there is none."""
    asked = list(destinations)
    lines = "".join(f"route get fibmatch {each} {' '.join(words)}\n" for each in asked)
    command = ("ip", "-n", host.name, "-j", "-force", "-batch", "-")
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
    failed = {int(number) for number in re.findall(r"Command failed -:(\d+)", done.stderr)}
    found = iter(done.stdout.splitlines())
    return [
        None if number in failed else _read_answer(each, json.loads(next(found))[0])
        for number, each in enumerate(asked, 1)
    ]


def _read_answer(destination: str, found: dict[str, Any]) -> Answer:
    prefix = found["dst"]
    width = ipaddress.ip_address(destination).max_prefixlen
    length = 0 if prefix == "default" else int(prefix.partition("/")[2] or width)
    if found.get("type", "unicast") != "unicast":
        return Answer(length)
    hops = found.get("nexthops", [found])
    return Answer(length, frozenset((hop["dev"], hop.get("gateway", "")) for hop in hops))


def random_addresses(seed: int, networks: Iterable[str], count: int) -> list[str]:
    """Choose addresses of networks, as many of each."""
    chosen = random.Random(seed)
    return [
        str(network[chosen.randrange(network.num_addresses)])
        for network in map(ipaddress.ip_network, networks)
        for _ in range(count)
    ]


@contextmanager
def following(host: Namespace) -> Iterator[Fib]:
    """Follow the routes of a namespace."""
    fib = Fib(lambda *_: None)
    with host.inside():
        fib.start()
    try:
        wait_until(lambda: fib.report.status == "up")
        yield fib
    finally:
        fib.stop(5.0)


def interfaces(host: Namespace) -> dict[int, str]:
    """Map ifindexes to names; 0 to none."""
    links = json.loads(host.run("ip", "-j", "link"))
    return {0: "", **{link["ifindex"]: link["ifname"] for link in links}}
