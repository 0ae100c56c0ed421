"""Lists that are told only to who names them, beside subscriptions that do not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from tests.support.gnmi import Server

from flowexport_mgmt.model.simulation import Device, SimulationState
from flowexport_mgmt.north.gnmi.reading import Reader, Reading
from flowexport_mgmt.schema.on_request import requests_in

DEVICE = "/simulation/device"
SIMULATION = "flow-export-simulation:simulation"


class Devices:
    """Reports the devices whose addresses are asked for, or one."""

    paths: Sequence[str] = ("/simulation",)

    async def state(self, paths: Sequence[str]) -> Mapping[str, SimulationState]:
        asked = (each.get("address", "192.0.2.9") for each in requests_in(paths, DEVICE))
        return {SIMULATION: SimulationState(device=tuple(Device(address=a) for a in asked))}


def addresses(reading: Reading) -> list[str]:
    told = reading.data[SIMULATION].get("device", [])
    return [device["address"] for device in told]


async def test_readings_of_other_paths_do_not_see_them(server: Server) -> None:
    server.datastore.register_state(Devices())
    reader, session = Reader(server.datastore), server.operator()
    one = f"{DEVICE}[address='192.0.2.1']"
    asked = [("/simulation",), ("/",), (one,), (one, "/system"), (DEVICE,)]
    readings = await asyncio.gather(*(reader.operational(session, paths) for paths in asked))
    assert [addresses(each) for each in readings] == [
        [],
        [],
        ["192.0.2.1"],
        ["192.0.2.1"],
        ["192.0.2.9"],
    ]
    assert reader.taken == 3  # who asks for the same reads together
