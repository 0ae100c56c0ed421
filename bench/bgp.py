"""A table of routes from messages to look-ups, against exabgp's decoder, and pytricia.

The messages are made up: four IPv4 prefixes each, of lengths as in the Internet,
with paths and communities of their own. exabgp reads
a sample of them in the Python that it is installed in, and does nothing with what it read; ours is
decoded, kept, and written where the exporter finds it. Then as many updates as come in a minute of
churn are applied, and what is found is compared with a plain dictionary.
"""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytricia
from numpy.typing import NDArray
from tests.support.bgp_table import (
    NEXT_HOP,
    PER_MESSAGE,
    make_message,
    make_messages,
    make_prefixes,
    origin_of,
)

from bench import lpm
from bench.measure import Cost, Result, Skipped, amount, compare
from flowexport_mgmt.enrich.prefixes import to_column
from flowexport_mgmt.enrich.rib import RibTables
from flowexport_mgmt.enrich.rib_memory import map_memory
from flowexport_mgmt.link.tables import make_tables, open_to_read
from flowexport_mgmt.rib.base import Rib
from flowexport_mgmt.rib.peers import READ_SIZE
from flowexport_mgmt.rib.priority import collect_seldom
from flowexport_mgmt.rib.session import Established, Session, SessionSettings
from flowexport_mgmt.rib.sources import Identity, Kind, Source
from flowexport_mgmt.wire import bgp

SIZES: Final = (10_000, 100_000, 1_000_000)
_SAMPLE: Final = 5_000
_BATCH: Final = 10_000
_CHURN: Final = 50_000
_PYTHON: Final = "/usr/bin/python3"
_SCRIPT: Final = Path(__file__).resolve().parents[1] / "tests/vectors/bmp/exabgp_decode.py"
_TARGETS: Final = {10_000: 1 / 3, 100_000: 1 / 6, 1_000_000: 1 / 10}
"""By routes: a small table touches nearly as many pages for the first time as a large one."""
_SLICE_S: Final = 0.010
_ROUTE_OCTETS: Final = 210
_PATH_OCTETS: Final = 100


def run(*, quick: bool) -> list[Result]:
    """Measure at each size."""
    collect_seldom()
    return [result for size in (SIZES[-1:] if quick else SIZES) for result in _measure(size)]


class _Speaker:
    """A base with one established session."""

    def __init__(self) -> None:
        made = make_tables()
        self.reader = RibTables(open_to_read(made))
        self.rib = Rib(map_memory(made, write=True), seed=7, stale_time=9, end_of_rib_timeout=9)
        os.close(made)
        self.session = Session(SessionSettings(local_as=1, peer_as=1, identifier=1), 0)
        told = bgp.Open(asn=1, hold_time=0, identifier=2, four_octets=True)
        (event,) = self.session.receive(bgp.encode_open(told) + bgp.encode_keepalive(), 0)
        if not isinstance(event, Established):
            raise TypeError("the session is not established")
        self.open("1", 1)
        self.longest = 0.0

    def open(self, name: str, tie: int) -> None:
        """Hear from another neighbor from now on."""
        source = self.rib.open_source(Identity(Kind.IBGP, name), tie)
        if source is None:
            raise MemoryError("there is no room for a source")
        self.source: Source = source
        self.rib.begin(source, 0, 0)

    def hear(self, stream: bytes) -> None:
        """Take a stream as a socket gives it, and note the longest slice."""
        for at in range(0, len(stream), READ_SIZE):
            updates: list[bgp.Update | bgp.UpdateColumns] = []
            self._timed(lambda: self._receive(stream[at : at + READ_SIZE], updates))  # noqa: B023 - called at once
            self._step(self.rib.take(self.source, updates, 0, 0))
        self._timed(lambda: self.rib.tick(0))
        while self._timed(lambda: self.rib.work(0)):
            pass

    def _receive(self, data: bytes, updates: list[bgp.Update | bgp.UpdateColumns]) -> None:
        events = self.session.receive(data, 0)
        updates += [event for event in events if isinstance(event, bgp.Update | bgp.UpdateColumns)]

    def _step(self, work: Iterator[None]) -> None:
        while self._timed(lambda: next(work, True) is None):
            pass

    def _timed(self, work: Any) -> bool:
        begun = time.thread_time()
        more = bool(work())
        self.longest = max(self.longest, time.thread_time() - begun)
        return more


def _measure(size: int) -> list[Result]:
    addresses, lengths = make_prefixes(4, size)
    messages = list(make_messages(4, addresses, lengths))
    stream = b"".join(messages) + bgp.encode(bgp.MessageType.UPDATE, bytes(4))
    before = _resident()
    speaker = _Speaker()
    cpu, wall = time.process_time(), time.perf_counter()
    speaker.hear(stream)
    ours = Cost(time.process_time() - cpu, time.perf_counter() - wall)
    grown = (_resident() - before) / size
    seconds = _exabgp(messages[: _SAMPLE // PER_MESSAGE]) * size / min(size, _SAMPLE)
    _check(
        speaker,
        dict(zip(zip(addresses.tolist(), lengths.tolist(), strict=True), range(size), strict=True)),
    )
    load_slice, speaker.longest = speaker.longest, 0.0
    churn = _churn(speaker, addresses, lengths)
    real_time = Cost(_CHURN / 1e4, _CHURN / 1e4)
    slices = [Cost(longest, longest) for longest in (load_slice, speaker.longest)]
    most = Cost(_SLICE_S, _SLICE_S)
    looked_up = _look_up(speaker, addresses, lengths)
    further = _hear_again(speaker, stream) / size
    return [
        Result(
            "bgp table load",
            size,
            "exabgp decoder",
            ours,
            Cost(seconds, seconds),
            _TARGETS[size],
        ),
        Result("bgp churn of 10,000/s", size, "real time", churn, real_time, 1.0),
        Result("bgp longest slice of load", size, "10 ms", slices[0], most, 1.0),
        Result("bgp longest slice of churn", size, "10 ms", slices[1], most, 1.0),
        *looked_up,
        *(_weigh(size, grown, further) if size == SIZES[-1] else ()),
    ]


def _weigh(size: int, grown: float, further: float) -> list[Result]:
    """Judge the memory of the largest table: a small one has pages that are hardly used."""
    return [
        amount("memory of a route", size, "octets", grown, _ROUTE_OCTETS),
        amount("memory of a further path", size, "octets", further, _PATH_OCTETS),
    ]


def _hear_again(speaker: _Speaker, stream: bytes) -> float:
    """Let two more neighbors tell all routes, with other next hops; give the mean memory."""
    before = _resident()
    for number in (2, 3):
        speaker.open(str(number), number)
        speaker.hear(stream.replace(NEXT_HOP, NEXT_HOP[:-1] + bytes([number])))
        speaker.rib.tick(number)
    return (_resident() - before) / 2


def _exabgp(messages: list[bytes]) -> float:
    lines = "".join(f"1 0 {message.hex()}\n" for message in messages)
    try:
        done = subprocess.run(
            [_PYTHON, _SCRIPT, "--measure"], input=lines, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise Skipped("exabgp is not installed: apt-get install exabgp") from error
    return float(done.stdout)


def _check(speaker: _Speaker, prefixes: dict[tuple[int, int], int]) -> None:
    """Compare a sample of look-ups with a dictionary."""
    random = np.random.default_rng(1)
    asked = [key[0] | int(random.integers(0, 256)) for key in list(prefixes)[:2000]]
    found = speaker.reader.find(4, to_column(4, asked))
    for address, length, origin in zip(
        asked, found.lengths.tolist(), found.origin_as.tolist(), strict=True
    ):
        for bits in range(32, 0, -1):
            number = prefixes.get((address >> 32 - bits << 32 - bits, bits))
            if number is not None:
                break
        else:
            bits, number = 0, -1
        wanted = 0 if number < 0 else origin_of(number // PER_MESSAGE)
        if (length, origin) != (bits, wanted):
            raise AssertionError(f"{address:#x} is found in {length} bits of AS {origin}")


def _churn(speaker: _Speaker, addresses: NDArray[np.int64], lengths: NDArray[np.int64]) -> Cost:
    """Withdraw and tell anew, one prefix in each message."""
    random = np.random.default_rng(2)
    stream = b"".join(
        make_message(4, int(row), [int(addresses[row])], [int(lengths[row])])
        for row in random.integers(0, len(addresses), _CHURN)
    )
    cpu, wall = time.process_time(), time.perf_counter()
    speaker.hear(stream)
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)


def _look_up(
    speaker: _Speaker, addresses: NDArray[np.int64], lengths: NDArray[np.int64]
) -> list[Result]:
    trie = pytricia.PyTricia(32)
    for number, (address, length) in enumerate(
        zip(addresses.tolist(), lengths.tolist(), strict=True)
    ):
        trie.insert(address.to_bytes(4), length, number)
    random = np.random.default_rng(3)
    asked = (addresses[random.integers(0, len(addresses), _BATCH)] | 7).astype(np.uint32)
    octets = [int(address).to_bytes(4) for address in asked]
    ours, theirs = compare(
        lambda: speaker.reader.find(4, asked), lambda: [trie.get(each, -1) for each in octets]
    )
    return [
        Result(
            "bgp look-up, all columns",
            len(addresses),
            "pytricia",
            ours,
            theirs,
            lpm.TARGETS[len(addresses)],
        )
    ]


def _resident() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()
