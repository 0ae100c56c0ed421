"""What was sent to a collector."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from flowexport_mgmt.export.failure import Failure
from flowexport_mgmt.export.output import Content
from flowexport_mgmt.export.transfer import Progress


@dataclass(slots=True)
class Statistics:
    """Counts since ``since_ns``; times are Unix nanoseconds, None for never.

    Datagrams, octets, records and templates are those that the kernel accepted; what is of the kind
    ``exports`` makes ``last_export_ns``.
    ``failures`` counts errors by name, ``fallbacks`` the ways to send that were given up.
    """

    since_ns: int
    exports: Content = Content.COUNTERS
    datagrams: int = 0
    octets: int = 0
    records: int = 0
    templates: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    last_error: str | None = None
    last_template_ns: int | None = None
    last_export_ns: int | None = None
    fallbacks: int = 0
    last_fallback: str | None = None
    connections: int = 0

    @property
    def errors(self) -> int:
        """Count all failures."""
        return self.failures.total()

    def add(self, progress: Progress, unix_ns: int) -> None:
        """Count what a burst achieved."""
        self.datagrams += progress.datagrams
        self.octets += progress.octets
        self.records += progress.records
        self.templates += progress.templates
        if progress.templates:
            self.last_template_ns = unix_ns
        if progress.output.content is self.exports and progress.datagrams:
            self.last_export_ns = unix_ns
        for failure, count in progress.sent.failures.items():
            self.fail(failure, count)
        for reason in progress.sent.fallbacks:
            self.fallbacks += 1
            self.last_fallback = reason

    def fail(self, failure: Failure, count: int) -> None:
        """Count an error so many times."""
        self.failures[failure.name] += count
        self.last_error = failure.text

    def since(self, before: Statistics, time_ns: int) -> Statistics:
        """Give what was counted since an earlier copy, which was made at a Unix time."""
        failures = self.failures - before.failures
        return replace(
            self,
            since_ns=time_ns,
            datagrams=self.datagrams - before.datagrams,
            octets=self.octets - before.octets,
            records=self.records - before.records,
            templates=self.templates - before.templates,
            failures=failures,
            last_error=self.last_error if failures else None,
            fallbacks=self.fallbacks - before.fallbacks,
            last_fallback=self.last_fallback if self.fallbacks > before.fallbacks else None,
            connections=self.connections - before.connections,
        )

    def copy(self) -> Statistics:
        """Copy, for a reader that does not hold the lock."""
        return replace(self, failures=Counter(self.failures))
