"""What a configuration changes, made ready so that nothing can fail later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flowexport_mgmt.export import (
    EndpointError,
    Facilities,
    Opened,
    check_addresses,
    open_sender,
)
from flowexport_mgmt.link.messages import Refusal
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.pipeline import Lane
from flowexport_mgmt.runtime.paths import collector_path


@dataclass(frozen=True, slots=True)
class Running:
    """A collector that runs, or is disabled."""

    config: fe.Collector
    lane: Lane


@dataclass(frozen=True, slots=True)
class Step:
    """What one collector becomes.

    ``kept`` is the one that runs under the same identity and goes on with its socket, sequence and
    baselines. ``opened`` is a new socket, or why there is none; None where none is needed.
    """

    config: fe.Collector
    kept: Running | None
    opened: Opened | None

    @property
    def is_untouched(self) -> bool:
        """Whether the collector feels nothing."""
        return self.kept is not None and self.kept.config == self.config


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of each collector."""

    steps: tuple[Step, ...]

    def release(self) -> None:
        """Close the sockets that were opened for it."""
        for step in self.steps:
            if step.opened is not None and not isinstance(step.opened, EndpointError):
                step.opened.close()


def identity(config: fe.Collector) -> tuple[object, ...]:
    """Give what makes a collector another one: a change begins a new session."""
    domain = (
        config.sub_agent_id if config.protocol is fe.Protocol.SFLOW else config.observation_domain
    )
    return (
        config.name,
        config.protocol,
        config.address,
        config.port,
        config.source_address,
        config.transport,
        config.tls,
        config.network_instance,
        domain,
    )


def make_plan(
    new: fe.FlowExport | None,
    running: Mapping[str, Running],
    facilities: Facilities,
) -> Plan:
    """Open what the new configuration needs and what runs does not have."""
    collectors = new.collector if new is not None else ()
    steps = tuple(_make_step(config, running.get(config.name), facilities) for config in collectors)
    return Plan(steps)


def find_refusals(plan: Plan) -> tuple[Refusal, ...]:
    """Name what the configuration is to blame for; what the network may mend is let pass."""
    return tuple(
        Refusal(
            path=collector_path(step.config.name, step.opened.leaf), message=step.opened.message
        )
        for step in plan.steps
        if isinstance(step.opened, EndpointError) and not step.opened.transient
    )


def _make_step(config: fe.Collector, running: Running | None, facilities: Facilities) -> Step:
    kept = running
    if running is not None and identity(running.config) != identity(config):
        kept = None
    if kept is not None and kept.config == config:
        return Step(config, kept, None)
    return Step(config, kept, _open(config, kept, facilities))


def _open(config: fe.Collector, kept: Running | None, facilities: Facilities) -> Opened | None:
    try:
        check_addresses(config)
        if not config.enabled or (kept is not None and kept.config.enabled):
            return None
        return open_sender(config, facilities)
    except EndpointError as error:
        return error
