"""Make docs/demo.svg: the demo in a network of its own, where something is going on.

Run it in a new network namespace, as scripts/picture does. It joins that to a second one by two
links, sends frames both ways at rates that rise and fall, and runs the demo meanwhile.
"""

from __future__ import annotations

import math
import secrets
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from pyroute2 import netns

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "demo.svg"
SECONDS = 40
TICK = 0.05
STREAMS = {  # interface: frames per second and octets per frame, inward and outward
    "wan0": ((1900, 1180), (700, 310)),
    "lan0": ((640, 420), (1500, 1310)),
    "mgmt0": ((12, 220), (9, 640)),
}


def main() -> int:
    """Build the network, run the demo in it, take everything down; return the demo's exit code."""
    far = f"fx{secrets.token_hex(4)}"
    ended = threading.Event()
    _ip("netns", "add", far)
    try:
        _ip("link", "set", "lo", "up")
        threads = [
            threading.Thread(target=_stream, args=(*stream, ended), daemon=True)
            for interface in STREAMS
            for stream in _join(interface, far)
        ]
        for thread in threads:
            thread.start()
        command = [sys.executable, "-m", "tools.demo", "--seconds", str(SECONDS)]
        done = subprocess.run([*command, "--svg", str(PICTURE)], check=False)
        ended.set()
        for thread in threads:
            thread.join()
        return done.returncode
    finally:
        _ip("netns", "delete", far)


def _join(interface: str, far: str) -> list[tuple[socket.socket, int, int]]:
    """Make a link; return a socket at each end with the frames per second and octets it sends."""
    _ip("link", "add", interface, "type", "veth", "peer", "name", interface, "netns", far)
    _ip("link", "set", interface, "up")
    _ip("-netns", far, "link", "set", interface, "up")
    inward, outward = STREAMS[interface]
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
    while not ended.wait(TICK):
        swing = 1 + 0.5 * math.sin(phase + time.monotonic() / 3)
        for _ in range(max(1, round(rate * TICK * swing))):
            end.send(frame)
    end.close()


def _ip(*arguments: str) -> None:
    subprocess.run(["/usr/sbin/ip", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main())
