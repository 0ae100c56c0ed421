"""Network namespaces for tests: real interfaces and addresses that nobody else sees."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from pyroute2 import netns


class Namespace:
    """A network namespace of its own, with loopback up."""

    def __init__(self) -> None:
        self.name = f"fx{secrets.token_hex(5)}"
        self.add()

    def add(self) -> None:
        """Make the namespace, at first and after it was deleted."""
        _run("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *words: str) -> None:
        """Run ip(8) on what is inside."""
        _run("ip", "-n", self.name, *words)

    def run(self, *command: str) -> str:
        """Run a program inside, with a sysfs that shows what is inside."""
        return _run("ip", "netns", "exec", self.name, *command)

    def counters(self, interface: str) -> dict[str, Any]:
        """Read what ip(8) says about an interface and its 64-bit statistics."""
        found = json.loads(_run("ip", "-n", self.name, "-s", "-j", "link", "show", interface))
        link: dict[str, Any] = found[0]
        return link

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Put this thread inside; threads and sockets that it makes meanwhile stay there."""
        netns.pushns(self.name)
        try:
            yield
        finally:
            netns.popns()

    def delete(self) -> None:
        """Remove the namespace and all that is in it."""
        _run("ip", "netns", "delete", self.name)


@contextmanager
def namespaces(count: int) -> Iterator[list[Namespace]]:
    """Make namespaces that are gone afterwards."""
    with ExitStack() as stack:
        made = []
        for _ in range(count):
            made.append(Namespace())
            stack.callback(made[-1].delete)
        yield made


def join(one: Namespace, name: str, other: Namespace, peer: str) -> None:
    """Connect two namespaces by a pair of Ethernet interfaces that are up."""
    one.ip("link", "add", name, "type", "veth", "peer", "name", peer, "netns", other.name)
    one.ip("link", "set", name, "up")
    other.ip("link", "set", peer, "up")


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, f"{' '.join(command)}: {done.stderr}"
    return done.stdout
