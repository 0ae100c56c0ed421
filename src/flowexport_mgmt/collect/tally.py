"""What was received so far, by exporter and interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from flowexport_mgmt.collect.traffic import Interface, number, sum_growth
from flowexport_mgmt.wire.messages import Message, Value

_MAX_EXPORTERS: Final = 1_024
_MAX_INTERFACES: Final = 16_384
_MAX_NAME: Final = 64  # characters


class ExporterKey(NamedTuple):
    """A stream of datagrams: the port that received it, the sender's address, the protocol."""

    port: int
    address: str
    protocol: str


@dataclass(slots=True)
class Exporter:
    """One stream of datagrams; ``lost`` counts what the sequence numbers say is missing."""

    key: ExporterKey
    last_ns: int = 0
    datagrams: int = 0
    records: int = 0
    lost: int = 0
    sequence_errors: int = 0
    faults: int = 0
    interfaces: dict[int, Interface] = field(default_factory=dict)


class Tally:
    """Counts what it is fed with; streams past its bounds are counted in the sums alone."""

    def __init__(self) -> None:
        self.exporters: dict[ExporterKey, Exporter] = {}
        self.datagrams = 0
        self.records = 0
        self.faults = 0
        self._names: dict[tuple[str, int], str] = {}
        self._interfaces = 0

    def receive(self, port: int, message: Message) -> None:
        """Count one decoded datagram that came to a port."""
        self.datagrams += 1
        self.records += len(message.records)
        self.faults += len(message.faults)
        key = ExporterKey(port, message.source[0], message.protocol)
        if key not in self.exporters and len(self.exporters) < _MAX_EXPORTERS:
            self.exporters[key] = Exporter(key)
        exporter = self.exporters.get(key)
        if exporter is not None:
            self._count(exporter, message)

    def name(self, exporter: Exporter, index: int) -> str:
        """Name an interface as any protocol from the same address named it."""
        return self._names.get((exporter.key.address, index)) or f"#{index}"

    def _count(self, exporter: Exporter, message: Message) -> None:
        exporter.last_ns = message.time_ns
        exporter.datagrams += 1
        exporter.records += len(message.records)
        exporter.lost += message.lost
        exporter.faults += len(message.faults)
        exporter.sequence_errors += sum(
            fault.code.startswith("sequence-") for fault in message.faults
        )
        touched = [*self._count_samples(exporter, message), *self._count_data(exporter, message)]
        for interface in touched:
            interface.seen_ns = message.time_ns
            interface.remember_rate()
        for record in message.records:
            if record.kind == "options":
                self._learn_name(exporter.key.address, record.fields)

    def _count_samples(self, exporter: Exporter, message: Message) -> list[Interface]:
        touched = []
        for record in message.records:
            if record.kind != "counter-sample" or "ifIndex" not in record.fields:
                continue
            interface = self._find(exporter, number(record.fields, "ifIndex"))
            if interface is not None:
                interface.sample(record.fields, message.uptime_ms or 0)
                touched.append(interface)
        return touched

    def _count_data(self, exporter: Exporter, message: Message) -> list[Interface]:
        touched = {}
        for (index, side), growth in sum_growth(message.records).items():
            interface = self._find(exporter, index)
            if interface is not None:
                interface.directions[side].add(growth.octets, growth.packets, growth.seconds)
                touched[index] = interface
        return list(touched.values())

    def _find(self, exporter: Exporter, index: int) -> Interface | None:
        if index not in exporter.interfaces and self._interfaces < _MAX_INTERFACES:
            exporter.interfaces[index] = Interface(index)
            self._interfaces += 1
        return exporter.interfaces.get(index)

    def _learn_name(self, address: str, fields: Mapping[str, Value]) -> None:
        index = fields.get("scopeInterface", fields.get("ingressInterface"))
        name = fields.get("interfaceName")
        if not isinstance(index, int) or not isinstance(name, str):
            return
        if (address, index) in self._names or len(self._names) < _MAX_INTERFACES:
            self._names[address, index] = name[:_MAX_NAME]
