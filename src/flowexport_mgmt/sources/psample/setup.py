"""What sampling needs of the kernel, brought about step by step."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.sources.genetlink import find_family
from flowexport_mgmt.sources.ports import Port, Ports
from flowexport_mgmt.sources.psample.ledger import Ledger, Place
from flowexport_mgmt.sources.psample.reader import Reader, ReaderCounters
from flowexport_mgmt.sources.sampling import TakeBatch, Wanted
from flowexport_mgmt.sources.tc import Rule, RuleError, Rules, Side

NOT_LOADED: Final = "psample: kernel module not loaded: modprobe psample act_sample"
NOT_PERMITTED: Final = "not permitted: it needs CAP_NET_ADMIN"
NOT_THERE: Final = "there is no interface of this name"
AMBIGUOUS: Final = (
    "its samples cannot be told from those of another interface, whose ifIndex has the same low"
    " 16 bits: give it a group of its own"
)
_MODULES: Final = "modprobe act_sample cls_matchall sch_ingress"
_STOP_S: Final = 0.4

Fares = tuple[OperStatus, str | None]
"""How something fares, and why not well."""

UP: Final[Fares] = (OperStatus.UP, None)
PENDING: Final[Fares] = (OperStatus.DEGRADED, "it is being set up")


@dataclass(frozen=True, slots=True)
class Standing:
    """How the sampler fares, and whatever of what is wanted was seen to."""

    overall: Fares = (OperStatus.DISABLED, None)
    interfaces: Mapping[Wanted, Fares] = field(default_factory=dict)


class Setup:
    """The rules, the reader and the accounts, brought to what is wanted; used by one thread."""

    def __init__(self, take: TakeBatch) -> None:
        self.ledger = Ledger()
        self.rules = Rules()
        self.counters = ReaderCounters()
        self._take = take
        self._ports = Ports()
        self._reader: Reader | None = None
        self._settled: set[int] = set()
        self._swept = False

    def bring_about(self, wanted: Sequence[Wanted]) -> Standing:
        """Do what can be done, and say how things stand then."""
        if not wanted:
            self.undo()
            return Standing()
        found = {one.name: self._find(one) for one in wanted}
        ports = {name: port for name, port in found.items() if isinstance(port, Port)}
        self.ledger.replace(_place(one, ports[one.name]) for one in wanted if one.name in ports)
        self._provide_reader()
        fares = {
            one: self._settle(one, port) if isinstance(port, Port) else port
            for one in wanted
            for port in (found[one.name],)
        }
        self._abandon({port.ifindex for port in ports.values()})
        missing = self._provide_reader()  # a rule has the kernel load the module
        return _sum_up(fares, missing, self.ledger.ambiguous_names)

    def undo(self) -> None:
        """Delete our rules and stop reading."""
        if self._reader is not None:
            self._reader.stop(_STOP_S)
            self._reader = None
        self._abandon(set())
        self.ledger.replace(())

    def close(self) -> None:
        """Release the sockets."""
        self.rules.close()
        self._ports.close()

    def _find(self, wanted: Wanted) -> Port | Fares:
        try:
            return self._ports.find(wanted.name) or (OperStatus.NOT_PRESENT, NOT_THERE)
        except OSError as error:
            return OperStatus.DOWN, f"rtnetlink: {error.strerror}"

    def _settle(self, wanted: Wanted, port: Port) -> Fares:
        rule = Rule(wanted.rate, wanted.trunc, wanted.group)
        sides = ((Side.INGRESS, wanted.ingress), (Side.EGRESS, wanted.egress))
        self._settled.add(port.ifindex)
        try:
            self.rules.settle(port.ifindex, {side: rule for side, taken in sides if taken})
        except RuleError as error:
            return OperStatus.DOWN, str(error)
        except OSError as error:
            return _explain(error)
        return UP

    def _abandon(self, kept: set[int]) -> None:
        """Delete our rules elsewhere, the first time also those that another run has left."""
        for ifindex in self._settled - kept:
            try:
                self.rules.settle(ifindex, {})
            except OSError:
                continue  # it is tried again at the next pass
            self._settled.discard(ifindex)
        if kept and not self._swept:
            try:
                self.rules.sweep(kept)
                self._swept = True
            except OSError:
                return

    def _provide_reader(self) -> str | None:
        """Read from psample as it is now; say why that cannot be."""
        try:
            family = find_family("psample")
            if self._reader is not None and self._reader.family != family:
                self._reader.stop(_STOP_S)
                self._reader = None
            if family is None:
                return NOT_LOADED
            if self._reader is None:
                self.ledger.forget_sequences()
                self._reader = Reader(family, self.ledger, self._take, self.counters)
                self._reader.start()
        except PermissionError:
            return f"psample: {NOT_PERMITTED}"
        except OSError as error:
            return f"psample: {error.strerror}"
        return None


def _place(wanted: Wanted, port: Port) -> Place:
    return Place(
        name=wanted.name,
        ifindex=port.ifindex,
        group=wanted.group,
        ingress=wanted.ingress,
        egress=wanted.egress,
        device_type=port.device_type,
        vlan=port.vlan,
    )


def _explain(error: OSError) -> Fares:
    """Say in words what traffic control lacks."""
    if isinstance(error, PermissionError):
        return OperStatus.DEGRADED, f"tc: {NOT_PERMITTED}"
    if error.errno in {errno.ENOENT, errno.EOPNOTSUPP}:
        return OperStatus.DEGRADED, f"tc: {error.strerror}: {_MODULES}"
    return OperStatus.DOWN, f"tc: {error.strerror}"


def _sum_up(fares: dict[Wanted, Fares], missing: str | None, ambiguous: frozenset[str]) -> Standing:
    """Add what concerns all interfaces, and what is found by comparing them."""
    for one, (status, _) in fares.items():
        if missing is not None and status in {OperStatus.UP, OperStatus.DEGRADED}:
            fares[one] = OperStatus.DEGRADED, missing
        elif status is OperStatus.UP and one.name in ambiguous:
            fares[one] = OperStatus.DEGRADED, AMBIGUOUS
    if missing is not None:
        return Standing((OperStatus.DEGRADED, missing), fares)
    for one, (status, reason) in fares.items():
        if status is not OperStatus.UP:
            return Standing((OperStatus.DEGRADED, f"{one.name}: {reason}"), fares)
    return Standing(UP, fares)
