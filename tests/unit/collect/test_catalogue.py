"""flowexport-collect names each fault of the catalogue, as a program, and no other."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from tests.support.captures import capture, ipv4, udp
from tests.support.faults import CATALOGUE, Stream
from tests.support.processes import Program

COMMAND = ("-m", "flowexport_mgmt.collect", "--strict")
STREAMS = [stream for streams in CATALOGUE.values() for stream in streams]
"""Stream i comes from an address of its own: 127.7.(i / 200).(1 + i % 200)."""

PORT = 6343
FAULT = re.compile(r"^127\.7\.(\d+)\.(\d+):\d+ to port \d+ .*: ([a-z-]+) at octet (\d+): ")


def address_of(number: int) -> tuple[int, int, int, int]:
    return (127, 7, number // 200, 1 + number % 200)


def named(lines: Iterable[str]) -> dict[int, list[tuple[str, int]]]:
    """Take code and octet of each fault that was named, by stream."""
    found: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for line in lines:
        if match := FAULT.match(line):
            number = int(match[1]) * 200 + int(match[2]) - 1
            found[number].append((match[3], int(match[4])))
    return dict(found)


def expected(streams: Iterable[Stream]) -> dict[int, list[tuple[str, int]]]:
    return {number: [(each.code, each.offset)] for number, each in enumerate(streams)}


def test_the_catalogue_is_as_large_as_promised() -> None:
    assert len(STREAMS) >= 100
    assert len({stream.code for stream in STREAMS}) >= 30
    kinds = {protocol: {one.code for one in each} for protocol, each in CATALOGUE.items()}
    for protocol in ("NetFlow v5", "NetFlow v9", "IPFIX", "sFlow v5"):
        assert {"truncated", "sequence-gap", "sequence-late", "sequence-restart"} <= kinds[protocol]


def test_every_fault_in_a_capture_is_named(tmp_path: Path) -> None:
    packets = [
        ipv4(udp(data), source=address_of(number))
        for number, stream in enumerate(STREAMS)
        for data in stream.datagrams
    ]
    path = tmp_path / "faults.pcap"
    path.write_bytes(capture(*packets))
    command = [sys.executable, *COMMAND, "--pcap", str(path), "--listen", f"127.0.0.1:{PORT}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert named(done.stderr.splitlines()) == expected(STREAMS)
    assert f"{len(packets)} datagrams, " in done.stdout
    assert f", {len(STREAMS)} faults from " in done.stdout


def test_every_fault_that_is_received_is_named() -> None:
    count = sum(len(stream.datagrams) for stream in STREAMS)
    options = ("--listen", "127.0.0.1:0", "--count", count)
    with Program.python(*COMMAND, *options) as program:
        port = int(program.find("^listening on .*:([0-9]+)$")[1])
        for number, stream in enumerate(STREAMS):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((".".join(map(str, address_of(number))), 0))
                for data in stream.datagrams:
                    sender.sendto(data, ("127.0.0.1", port))
        assert program.wait() == 1
        assert named(program.lines) == expected(STREAMS)
