"""Collectors that this project did not write, and what they say about what they received."""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from interop.namespaces import Namespace, eventually, run, stop
from interop.sfacctd import SfacctdProcess, read_entries
from lxml import etree

from flowexport_mgmt.collect.pcap import read_header, read_packets
from flowexport_mgmt.errors import DecodeError

Totals = dict[tuple[int, str], int]
"""Sums by ifIndex and counter (``in-octets``, ``in-packets``, ``out-octets``, ``out-packets``)."""


_INTERFACE = "0"  # a source type


class Nfcapd:
    """nfcapd, which stores NetFlow and IPFIX records, and nfdump, which reads them."""

    def __init__(self, space: Namespace, folder: Path) -> None:
        folder.mkdir()
        self.port = space.free_udp_port()
        self._files = folder / "files"
        self._files.mkdir()
        self.log = folder / "log"
        command = ["nfcapd", "-w", str(self._files), "-t", "3600"]
        command += ["-b", "127.0.0.1", "-p", str(self.port)]
        self._process = space.start(command, self.log)
        eventually(lambda: "Startup" in self._said(), "nfcapd starts")

    def stop(self) -> None:
        """End it; it writes its file then."""
        stop(self._process)

    def sequence_errors(self) -> int:
        """Read the count that nfcapd logs when it ends."""
        counted = self._said().rpartition("Sequence Errors: ")[2].partition(",")[0]
        return int(counted)

    def totals(self) -> Totals:
        """Add up the counter records of each interface and direction."""
        listing = run("nfdump", "-R", str(self._files), "-q", "-N", "-o", "fmt:%in,%out,%byt,%pkt")
        totals: Totals = defaultdict(int)
        for line in listing.splitlines():
            if "," not in line:
                continue
            ingress, egress, octets, packets = map(int, line.split(","))
            side = "in" if ingress else "out"
            totals[ingress or egress, f"{side}-octets"] += octets
            totals[ingress or egress, f"{side}-packets"] += packets
        return totals

    def _said(self) -> str:
        return self.log.read_text(errors="replace")


class Capture:
    """What passes the loopback interface of a namespace, as tshark sees it."""

    def __init__(self, space: Namespace, folder: Path) -> None:
        folder.mkdir()
        self._space = space
        self._marks: list[bytes] = []
        self.file = folder / "capture.pcap"
        log = folder / "log"
        command = ["dumpcap", "-q", "-P", "-B", "64", "-i", "lo", "-f", "udp", "-w", str(self.file)]
        self._process = space.start(command, log)
        # It says so before it does: what comes while the kernel still looks for memory is missed.
        eventually(lambda: "Capturing on" in log.read_text(), "dumpcap starts")
        eventually(self._captures, "dumpcap captures")

    def stop(self) -> None:
        """End the capture, once everything that was sent before is in its file."""
        if self._process.poll() is not None:
            return
        mark = self._mark()
        eventually(lambda: self._sees(mark), "the capture is written")
        stop(self._process)

    def _captures(self) -> bool:
        """Send one mark after the other, until one is seen."""
        self._marks.append(self._mark())
        return self._sees(*self._marks)

    def _mark(self) -> bytes:
        """Send a datagram that nobody else would."""
        mark = secrets.token_bytes(16)
        with self._space.udp("127.0.0.1") as sender, self._space.udp("127.0.0.1") as sink:
            sender.sendto(mark, sink.getsockname())
        return mark

    def _sees(self, *marks: bytes) -> bool:
        """Look for a mark at the end of the file, of which little is written at a time."""
        if not self.file.exists():
            return False
        with self.file.open("rb") as file:
            file.seek(max(0, self.file.stat().st_size - 4096))
            tail = file.read()
        return any(mark in tail for mark in marks)

    def count(self, port: int) -> int:
        """Count the datagrams to a port."""
        with self.file.open("rb") as file:
            packets = read_packets(file, read_header(file), _refuse)
            return sum(packet.port == port for packet in packets)

    def rows(self, port: int, protocol: str, *fields: str, show: str = "") -> list[list[str]]:
        """Dissect the datagrams to a port; one row each, the values of a field joined by commas."""
        command = ["-T", "fields", "-E", "separator=;", "-E", "aggregator=,"]
        for field in fields:
            command += ["-e", field]
        return [line.split(";") for line in self._tshark(port, protocol, show, *command)]

    def faults(self, port: int, protocol: str) -> list[list[str]]:
        """List everything that tshark's experts remark on, notes included.

        Of sFlow it judges only datagrams that tell of interfaces alone: it does not know the
        records of a host, and calls them malformed.
        """
        found = self.rows(port, protocol, "frame.number", "_ws.expert.message", show="_ws.expert")
        if protocol != "sflow":
            return found
        judged = self.of_interfaces(port)
        return [fault for fault in found if fault[0] in judged]

    def of_interfaces(self, port: int) -> set[str]:
        """Give the frame numbers of the datagrams of sFlow that tell of interfaces alone."""
        rows = self.rows(port, "sflow", "frame.number", "sflow.counters_sample.source_id_type")
        return {frame for frame, types in rows if set(types.split(",")) == {_INTERFACE}}

    def totals(self, port: int) -> Totals:
        """Add up the counter records of NetFlow v9 or IPFIX, from the packet details."""
        totals: Totals = defaultdict(int)
        details = "".join(self._tshark(port, "cflow", "", "-T", "pdml"))
        for octets in etree.fromstring(details.encode()).iter("field"):
            record = octets.getparent()
            if octets.get("name") != "cflow.octets" or record is None:
                continue
            names = ("inputint", "outputint", "octets", "packets")
            shown = {name: _shown(record, f"cflow.{name}") for name in names}
            side = "in" if shown["inputint"] else "out"
            interface = shown["inputint"] or shown["outputint"]
            totals[interface, f"{side}-octets"] += shown["octets"]
            totals[interface, f"{side}-packets"] += shown["packets"]
        return totals

    def _tshark(self, port: int, protocol: str, show: str, *output: str) -> list[str]:
        command = ["tshark", "-n", "-r", str(self.file), "-d", f"udp.port=={port},{protocol}"]
        chosen = f"udp.dstport=={port}" + (f" && ({show})" if show else "")
        return run(*command, "-Y", chosen, *output).splitlines()


def _refuse(place: str, fault: DecodeError) -> None:
    raise AssertionError(f"{place}: {fault}")


def _shown(record: etree._Element, name: str) -> int:
    field = next(found for found in record.iterchildren("field") if found.get("name") == name)
    return int(field.get("show") or 0)


class Sfacctd(SfacctdProcess):
    """sfacctd, which writes the sFlow counter samples it receives as JSON lines.

    Flow samples it adds up by agent, each as one packet.
    """

    def __init__(self, space: Namespace, folder: Path) -> None:
        self._counters = folder / "counters.json"
        settings: dict[str, object] = {
            "sfacctd_counter_file": self._counters,
            "sfacctd_counter_output": "json",
            "sfacctd_pipe_size": 8 << 20,
            "aggregate": "peer_src_ip",
        }
        super().__init__(space, folder, settings)

    def flow_samples(self) -> Counter[str]:
        """Count the flow samples of each agent so far."""
        counted: Counter[str] = Counter()
        for entry in self.flows():
            counted[entry["peer_ip_src"]] += entry["packets"]
        return counted

    def samples(self) -> list[dict[str, Any]]:
        """Read the generic interface counters of every sample so far."""
        entries = read_entries(self._counters)
        return [entry for entry in entries if entry.get("sf_cnt_type") == "sflow_cnt_generic"]

    def totals(self) -> Totals:
        """Subtract each interface's first sample from its latest."""
        totals: Totals = {}
        first: dict[int, dict[str, int]] = {}
        for sample in self.samples():
            counted = _counted(sample)
            base = first.setdefault(sample["ifIndex"], counted)
            totals |= {(sample["ifIndex"], name): counted[name] - base[name] for name in counted}
        return totals


def _counted(sample: dict[str, Any]) -> dict[str, int]:
    """Add up the kinds of packets; all ones says that a kind is not counted."""
    counted = {"in-octets": sample["ifInOctets"], "out-octets": sample["ifOutOctets"]}
    for side in ("In", "Out"):
        kinds = (sample[f"if{side}{kind}Pkts"] for kind in ("Ucast", "Multicast", "Broadcast"))
        counted[f"{side.lower()}-packets"] = sum(kind for kind in kinds if kind != 0xFFFFFFFF)
    return counted
