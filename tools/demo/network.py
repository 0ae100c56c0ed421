"""A network of the demo's own, where something is going on."""

from __future__ import annotations

import contextlib
import math
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from pyroute2 import netns

_TICK = 0.05
_STREAMS = {  # interface: frames per second and octets per frame, inward and outward
    "wan0": ((1900, 1180), (700, 310)),
    "lan0": ((640, 420), (1500, 1310)),
    "mgmt0": ((12, 220), (9, 640)),
}
_STATISTICS = "/sys/class/net/{}/statistics/{}_bytes"


def is_possible() -> bool:
    """Say whether this process may make network namespaces."""
    try:
        done = subprocess.run(
            ["/usr/bin/unshare", "--net", "true"], capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0


def is_idle(interfaces: list[str], seconds: float) -> bool:
    """Watch interfaces for a while; say whether none of them counted anything."""
    before = _count(interfaces)
    time.sleep(seconds)
    return _count(interfaces) == before


def _count(interfaces: list[str]) -> list[str]:
    files = (Path(_STATISTICS.format(name, way)) for name in interfaces for way in ("rx", "tx"))
    return [file.read_text() for file in files if file.exists()]


@contextlib.contextmanager
def traffic() -> Iterator[None]:
    """Join the network namespace of this process to another one, and send frames both ways.

    There are three links, and what they carry rises and falls. All is gone with the context.
    """
    far = f"fx{secrets.token_hex(4)}"
    ended = threading.Event()
    threads: list[threading.Thread] = []
    _ip("netns", "add", far)
    try:
        _ip("link", "set", "lo", "up")
        for interface in _STREAMS:
            for stream in _join(interface, far):
                thread = threading.Thread(target=_stream, args=(*stream, ended), daemon=True)
                thread.start()
                threads.append(thread)
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        _ip("netns", "delete", far)


def _join(interface: str, far: str) -> list[tuple[socket.socket, int, int]]:
    """Make a link; return a socket at each end with the frames per second and octets it sends."""
    _ip("link", "add", interface, "type", "veth", "peer", "name", interface, "netns", far)
    _ip("link", "set", interface, "up")
    _ip("-netns", far, "link", "set", interface, "up")
    inward, outward = _STREAMS[interface]
    near_end = _open(interface)
    netns.pushns(far)
    try:
        far_end = _open(interface)
    finally:
        netns.popns()
    return [(far_end, *inward), (near_end, *outward)]


def _open(interface: str) -> socket.socket:
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    end.bind((interface, 0))
    return end


def _stream(end: socket.socket, rate: int, size: int, ended: threading.Event) -> None:
    """Send frames to nobody at a rate that swings by half, until told to end."""
    head = bytes.fromhex("02000000000202000000000188b5")  # an EtherType for experiments
    frame = head.ljust(size, b"\0")
    phase = rate % 7
    while not ended.wait(_TICK):
        swing = 1 + 0.5 * math.sin(phase + time.monotonic() / 3)
        for _ in range(max(1, round(rate * _TICK * swing))):
            end.send(frame)
    end.close()


def _ip(*arguments: str) -> None:
    subprocess.run(["/usr/sbin/ip", *arguments], check=True)
