"""What sampling needs of the kernel, brought about step by step."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.observe.log import LimitedLogger
from flowexport_mgmt.sources.genetlink import Family, find_family
from flowexport_mgmt.sources.ports import Port, Ports
from flowexport_mgmt.sources.psample.ledger import Ledger, Place
from flowexport_mgmt.sources.psample.reader import Reader, ReaderCounters
from flowexport_mgmt.sources.sampling import (
    NOT_THERE,
    START_WITH_PRIVILEGE,
    UP,
    Fares,
    Mishaps,
    Standing,
    TakeBatch,
    Totals,
    Wanted,
    overall,
)
from flowexport_mgmt.sources.tc import Control, Rule, RuleError, Rules, Side

_LOG = LimitedLogger(logging.getLogger(__name__))

NOT_LOADED: Final = "psample: kernel module not loaded: modprobe psample act_sample"
NOT_PERMITTED: Final = f"not permitted: it needs CAP_NET_ADMIN: {START_WITH_PRIVILEGE}"
AMBIGUOUS: Final = (
    "its samples cannot be told from those of another interface, whose ifIndex has the same low"
    " 16 bits: give it a group of its own"
)
_MODULES: Final = "modprobe act_sample cls_matchall sch_ingress"
_STOP_S: Final = 0.4


def find_psample() -> Family | None:
    """Look psample up; None while its module is not loaded.

    Raises:
        OSError: the kernel did not answer.
    """
    return find_family("psample")


class Psample:
    """Sampling by actions of traffic control (tc-sample(8)): rules, reader and accounts."""

    def __init__(self, take: TakeBatch, epochs: Iterator[int]) -> None:
        self._ledger = Ledger(epochs)
        self._rules = Rules()
        self._counters = ReaderCounters()
        self._counters_of_kernel = Control()
        self._counting = threading.Lock()  # management asks, and the thread that sets rules up
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
        self._ledger.replace(_place(one, ports[one.name]) for one in wanted if one.name in ports)
        self._provide_reader()
        fares = {
            one: self._settle(one, port) if isinstance(port, Port) else port
            for one in wanted
            for port in (found[one.name],)
        }
        self._abandon({port.ifindex for port in ports.values()})
        missing = self._provide_reader()  # a rule has the kernel load the module
        return _sum_up(fares, missing, self._ledger.ambiguous_names)

    def undo(self) -> None:
        """Delete our rules and stop reading."""
        if self._reader is not None:
            self._reader.stop(_STOP_S)
            self._reader = None
        self._abandon(set())
        self._ledger.replace(())

    def close(self) -> None:
        """Release the sockets."""
        self._rules.close()
        self._ports.close()
        with self._counting:
            self._counters_of_kernel.close()

    def totals(self) -> Mapping[str, Totals]:
        """Tell what was sampled, by interface."""
        accounts = self._ledger.accounts
        seen = self._packets_seen() if accounts else {}
        return {
            held.place.name: Totals(
                held.samples, held.drops, held.pool, seen.get(held.place.ifindex)
            )
            for held in accounts
        }

    def mishaps(self) -> Mishaps:
        """Tell what came and was of no use."""
        ledger, counters = self._ledger, self._counters
        return Mishaps(ledger.foreign, counters.malformed, ledger.ambiguous, counters.overruns)

    def _packets_seen(self) -> Mapping[int, int]:
        try:
            with self._counting:
                actions = self._counters_of_kernel.actions()
            return self._rules.packets_seen(actions)
        except OSError as error:
            _LOG.log(logging.WARNING, "actions", "tc: %s", error.strerror)
            return {}

    def _find(self, wanted: Wanted) -> Port | Fares:
        try:
            return self._ports.find(wanted.name) or NOT_THERE
        except OSError as error:
            return OperStatus.DOWN, f"rtnetlink: {error.strerror}"

    def _settle(self, wanted: Wanted, port: Port) -> Fares:
        rule = Rule(wanted.rate, wanted.trunc, wanted.group)
        sides = ((Side.INGRESS, wanted.ingress), (Side.EGRESS, wanted.egress))
        self._settled.add(port.ifindex)
        try:
            self._rules.settle(port.ifindex, {side: rule for side, taken in sides if taken})
        except RuleError as error:
            return OperStatus.DOWN, str(error)
        except OSError as error:
            return _explain(error)
        return UP

    def _abandon(self, kept: set[int]) -> None:
        """Delete our rules elsewhere, the first time also those that another run has left."""
        for ifindex in self._settled - kept:
            try:
                self._rules.settle(ifindex, {})
            except OSError:
                continue  # it is tried again at the next pass
            self._settled.discard(ifindex)
        if kept and not self._swept:
            try:
                self._rules.sweep(kept)
                self._swept = True
            except OSError:
                return

    def _provide_reader(self) -> str | None:
        """Read from psample as it is now; say why that cannot be."""
        try:
            family = find_psample()
            if self._reader is not None and self._reader.family != family:
                self._reader.stop(_STOP_S)
                self._reader = None
            if family is None:
                return NOT_LOADED
            if self._reader is None:
                self._ledger.forget_sequences()
                self._reader = Reader(family, self._ledger, self._take, self._counters)
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
    lacking = missing or _find_lack(fares)
    for one, (status, _) in fares.items():
        if missing is not None and status in {OperStatus.UP, OperStatus.DEGRADED}:
            fares[one] = OperStatus.DEGRADED, missing
        elif status is OperStatus.UP and one.name in ambiguous:
            fares[one] = OperStatus.DEGRADED, AMBIGUOUS
    if missing is not None:
        return Standing((OperStatus.DEGRADED, missing), fares, lacking)
    return Standing(overall(fares), fares, lacking)


def _find_lack(fares: Mapping[Wanted, Fares]) -> str | None:
    """Tell what traffic control lacks."""
    degraded = (reason for status, reason in fares.values() if status is OperStatus.DEGRADED)
    return next(degraded, None)
