"""gNMI: whatever the octets of a request are, the answer is a response or a status.

A real datastore answers, with nothing around it but the session of a user who may do everything.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.gnmi import collector, document, flow_export, path, update

from flowexport_mgmt.datastore import Datastore, Session
from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.north.gnmi import messages as m
from flowexport_mgmt.north.gnmi.capabilities import answer_capabilities
from flowexport_mgmt.north.gnmi.get import Getter
from flowexport_mgmt.north.gnmi.reading import Reader
from flowexport_mgmt.north.gnmi.reflection import answer_reflection
from flowexport_mgmt.north.gnmi.requests import parse
from flowexport_mgmt.north.gnmi.set import Setter
from flowexport_mgmt.north.gnmi.status import RpcError
from flowexport_mgmt.north.gnmi.subscribe.rows import Writer, read_rows, time_of
from flowexport_mgmt.north.gnmi.subscribe.terms import read_terms
from flowexport_mgmt.schema.context import SchemaContext

A = "/flow-export/collector[name=a]"


def seeds() -> Iterator[bytes]:
    """Give requests; the first octet says of which method."""
    given: list[tuple[int, Any]] = [
        (0, m.CapabilityRequest()),
        (1, m.GetRequest(path=[path(A), path("/flow-export/.../port")], encoding=4)),
        (1, m.GetRequest(prefix=path("/", origin="cli"), encoding=3)),
        (1, m.GetRequest(path=[path("/")], use_models=[{"name": "flow-export"}])),
        (2, m.SetRequest(delete=[path("/flow-export/collector[name=*]")])),
        (2, m.SetRequest(replace=[update(A, collector("a", 7))], update=[update(f"{A}/port", 8)])),
        (2, m.SetRequest(union_replace=[update("/flow-export", {"collector": []})])),
        (2, m.SetRequest(update=[update("/flow-export/conntrack/zone", int_val=4)])),
        (2, m.SetRequest(extension=[m.Extension(commit={"id": "x", "commit": {}})])),
        (2, m.SetRequest(extension=[m.Extension(master_arbitration={"election_id": {"low": 1}})])),
    ]
    for extensions in (
        [m.Extension(depth={"level": 1}), m.Extension(depth={"level": 2})],
        [m.Extension(history={"snapshot_time": 5}), m.Extension(registered_ext={"id": 999})],
        [m.Extension(config_subscription={"start": {}}), m.Extension()],
        [m.Extension(commit={"id": "x", "set_rollback_duration": {}})],
        [m.Extension(master_arbitration={"role": {"id": "r"}, "election_id": {"high": 1}})],
    ):
        given += [
            (0, m.CapabilityRequest(extension=extensions)),
            (1, m.GetRequest(path=[path(A)], extension=extensions)),
            (2, m.SetRequest(delete=[path(A)], extension=extensions)),
            (3, m.SubscribeRequest(extension=extensions, subscribe={"subscription": [{}]})),
        ]
    lines = {"ascii_val": "set flow-export collector b address 192.0.2.1\ndelete server http\n"}
    given.append((2, m.SetRequest(update=[m.Update(path=m.Path(origin="cli"), val=lines)])))
    subscribe = m.SubscribeRequest(extension=[m.Extension(depth={"level": 2})])
    subscribe.subscribe.encoding = 2
    subscribe.subscribe.subscription.add(path=path(A), mode=2, sample_interval=10**9)
    given.append((3, subscribe))
    request, _ = m.REFLECTION_MESSAGES[m.REFLECTION[0]]
    given.append((4, request(file_containing_symbol="gnmi.gNMI")))
    for method, message in given:
        yield bytes([method]) + message.SerializeToString()


class Target:
    """What answers."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="fxfuzz"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        init = self.folder / "init.json"
        init.write_text(json.dumps(document({}, flow_export(collector("a", 1)))))
        self.schema = SchemaContext()
        self.datastore = Datastore(self.schema, self.folder / "state")
        self.datastore.load(init)
        self.reader = Reader(self.datastore)
        self.getter = Getter(self.datastore, self.reader)
        self.setter = Setter(self.datastore)
        self.session: Session = self.datastore.open_session(
            "ann", "gnmi", "", lambda: None, recovery=True
        )

    async def answer(self, method: int, octets: bytes) -> None:
        if method == 0:
            answer_capabilities(self.schema, octets)
        elif method == 1:
            await self.getter.answer(self.session, octets)
        elif method == 2:
            await self.setter.answer(self.session, octets)
            await self.settle()
        elif method == 3:
            await self.subscribe(octets)
        else:
            answer_reflection(m.REFLECTION[0], octets)

    async def settle(self) -> None:
        """Leave no confirmed commit behind, which would refuse all that comes after."""
        pending = self.datastore.pending
        if pending is not None:
            await self.datastore.cancel_commit(self.session, pending.persist)

    async def subscribe(self, octets: bytes) -> None:
        request = parse(m.SubscribeRequest, octets)
        terms = read_terms(self.schema, request, "ann", recovery=True, shortest=10**9)
        reading = self.reader.configuration(self.session)
        writer = Writer(terms)
        for wanted in terms.wanted:
            for key, leaves in read_rows(self.schema, terms, wanted, reading).items():
                row = writer.update(key, leaves, time_of(key, reading))
                m.SubscribeResponse.FromString(row.message())


@cache
def target() -> Target:
    """Make the one target of a process."""
    return Target()


def run(data: bytes) -> None:
    """Answer a request; a status with its details is an answer."""
    if not data:
        return
    with suppress(ManagementError):
        try:
            target().loop.run_until_complete(target().answer(data[0] % 5, data[1:]))
        except RpcError as error:
            m.Status.FromString(error.details())
