"""Decoding what a capture file holds."""

from __future__ import annotations

from collections.abc import Collection
from typing import BinaryIO

from flowexport_mgmt.collect.pcap import Captured, read_header, read_packets
from flowexport_mgmt.collect.report import Report
from flowexport_mgmt.wire.decoder import Decoder, recognise


def replay(file: BinaryIO, ports: Collection[int], report: Report) -> None:
    """Feed a report with the datagrams of a capture until it is full.

    Args:
        file: the capture.
        ports: read what was sent to these; without any, what begins like a known protocol.
        report: takes what is decoded.

    Raises:
        DecodeError: the file is not a capture.
    """
    decoders: dict[int, Decoder] = {}
    full = False

    def stop() -> None:
        nonlocal full
        full = True

    report.full = stop
    for packet in read_packets(file, read_header(file), report.fault):
        if _wanted(packet, ports):
            decoder = decoders.setdefault(packet.port, Decoder())
            message = decoder.receive(packet.payload, packet.source, packet.time_ns)
            report.receive(packet.port, message)
        if full:
            return


def _wanted(packet: Captured, ports: Collection[int]) -> bool:
    return packet.port in ports if ports else recognise(packet.payload)
