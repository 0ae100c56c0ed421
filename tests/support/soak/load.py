"""What goes on during the whole of a soak: connections in the kernel, and a fleet of devices."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any

from tests.support.conntrack import fill_many, set_switches
from tests.support.daemon import Daemon
from tests.support.netconf import FE

SIMULATION = "urn:flowexport:flow-export-simulation"

_FLOWS = 128
"""The flows of a simulated device."""

_HOUR = 3600


@dataclass(frozen=True)
class Size:
    """How much goes on: connections that the kernel tracks, devices that are simulated."""

    connections: int
    devices: int

    @property
    def flows(self) -> int:
        """The flows of the fleet."""
        return self.devices * _FLOWS


SMALL = Size(2_000, 100)
LARGE = Size(240_000, 8_000)


class Load:
    """The work, and a collector that takes it all and reads nothing."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self._sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sink.bind(("127.0.0.1", 0))
        self._port = int(self._sink.getsockname()[1])
        set_switches()
        fill_many(size.connections, timeout=2 * _HOUR)

    def close(self) -> None:
        """End the collector."""
        self._sink.close()

    @property
    def collector(self) -> dict[str, Any]:
        """The collector of the connections."""
        return {"name": "sink", "address": "127.0.0.1", "port": self._port, "protocol": "ipfix"}

    @property
    def conntrack(self) -> dict[str, Any]:
        """Connections, of which each minute tells."""
        return {"enabled": True, "active-timeout": 60}

    @property
    def simulation(self) -> dict[str, Any]:
        """The fleet: one group, whose devices are routers at the edge."""
        flow = {"collector-address": "127.0.0.1", "collector-port": self._port}
        group = {
            "name": "fleet",
            "start-address": "10.80.0.1",
            "count": self.size.devices,
            "role": "edge-router",
            "flow": {**flow, "protocol": "netflow9"},
        }
        return {"device-group": [group]}

    def seen(self, daemon: Daemon) -> tuple[int, int, int]:
        """Tell what the daemon says: connections, devices that export, records of theirs."""
        with daemon.netconf() as session:
            reply = session.get(
                f'<flow-export xmlns="{FE}"><conntrack><flows-active/></conntrack></flow-export>'
                f'<simulation xmlns="{SIMULATION}"><devices-exporting/>'
                "<exporter><sent-records/></exporter></simulation>"
            )
        wanted = ("flows-active", "devices-exporting", "sent-records")
        found = [reply.findtext(f".//{{*}}{name}") or "0" for name in wanted]
        return int(found[0]), int(found[1]), int(found[2])
