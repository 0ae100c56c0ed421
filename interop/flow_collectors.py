"""Collectors of flow records that this project did not write: nfcapd, sfcapd, nfacctd."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from interop.namespaces import Namespace, eventually, run, stop

_FULL = 100_000  # octets that may wait; the smallest receive buffer that is usual holds twice that


class Totals(NamedTuple):
    """What a collector counted."""

    flows: int
    packets: int
    octets: int
    sequence_errors: int


class FlowCollector:
    """nfcapd or sfcapd, whose queue is watched so that nothing is lost before it reads."""

    def __init__(self, program: str, space: Namespace, folder: Path) -> None:
        self.port = space.free_udp_port()
        self.files = folder / "files"
        self.files.mkdir()
        self._space = space
        self._log = folder / "log"
        command = [program, "-w", str(self.files), "-t", "3600", "-B", "4000000"]
        command += ["-b", "127.0.0.1", "-p", str(self.port)]
        self._process = space.start(command, self._log)
        eventually(lambda: "Startup" in self._log.read_text(), f"{program} starts")

    def send(self, datagrams: Iterable[bytes | memoryview]) -> None:
        """Send datagrams no faster than they are read."""
        with self._space.udp("127.0.0.1") as endpoint:
            endpoint.connect(("127.0.0.1", self.port))
            for number, data in enumerate(datagrams):
                endpoint.send(data)
                if number % 64 == 0:
                    self.keep_up()

    def keep_up(self) -> None:
        """Wait until there is room for some more datagrams."""
        eventually(lambda: self._queued() < _FULL, "the collector keeps up")

    def totals(self) -> Totals:
        """End it once it has read everything, and read what it counted."""
        eventually(lambda: self._queued() == 0, "the collector has read everything")
        self.stop()
        counted = re.search(
            r"Flows: (\d+), Packets: (\d+), Bytes: (\d+), Sequence Errors: (\d+)",
            self._log.read_text(errors="replace"),
        )
        assert counted is not None, self._log.read_text()
        return Totals(*map(int, counted.groups()))

    def read(self, fields: str, *options: str) -> list[str]:
        """Have nfdump show fields of what was collected, one line per flow."""
        command = ["nfdump", "-R", str(self.files), "-q", "-N", *options]
        lines = run(*command, "-o", f"fmt:{fields}").replace(" ", "").splitlines()
        return [line for line in lines if line]

    def stop(self) -> None:
        """End it."""
        stop(self._process)

    def _queued(self) -> int:
        """Read how many octets wait in its socket."""
        table = Path(f"/proc/{self._process.pid}/net/udp").read_text()
        (line,) = [line for line in table.splitlines() if f":{self.port:04X} 00000000" in line]
        return int(line.split()[4].partition(":")[2], 16)


class Nfacctd:
    """nfacctd, which multiplies what was sampled by the rate that it learnt."""

    def __init__(self, space: Namespace, folder: Path) -> None:
        self.port = space.free_udp_port()
        self._flows = folder / "flows"
        settings = {
            "daemonize": "false",
            "nfacctd_ip": "127.0.0.1",
            "nfacctd_port": self.port,
            "nfacctd_renormalize": "true",
            "plugins": "print",
            "aggregate": "src_host",
            "print_output": "json",
            "print_output_file": self._flows,
            "print_output_file_append": "true",
            "print_refresh_time": 1,
        }
        written = folder / "nfacctd.conf"
        written.write_text("".join(f"{name}: {value}\n" for name, value in settings.items()))
        log = folder / "nfacctd.log"
        self._process = space.start(["nfacctd", "-f", str(written)], log)
        eventually(lambda: "setting object handlers" in log.read_text(), "its plugin starts")

    def packets(self) -> dict[str, int]:
        """Add up by source address what it has written so far."""
        found: Counter[str] = Counter()
        if self._flows.exists():
            for line in self._flows.read_text().splitlines():
                if line.endswith("}"):
                    entry = json.loads(line)
                    found[entry["ip_src"]] += entry["packets"]
        return dict(found)

    def stop(self) -> None:
        """End it; what other programs take for that it passes over."""
        self._process.kill()
        self._process.wait(5)


@contextlib.contextmanager
def collecting(program: str, space: Namespace, folder: Path) -> Iterator[FlowCollector]:
    """Run a collector."""
    collector = FlowCollector(program, space, folder)
    try:
        yield collector
    finally:
        collector.stop()
