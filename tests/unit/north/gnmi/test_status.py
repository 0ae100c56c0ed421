"""From refusals to codes, and what the details hold."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.edits import edits
from tests.support.gnmi import Client, Server, collector, update

from flowexport_mgmt.datastore import EditOptions, PendingError, Store
from flowexport_mgmt.errors import ErrorTag, Fault, ManagementError
from flowexport_mgmt.north.gnmi import messages as m
from flowexport_mgmt.north.gnmi.status import Code, RpcError, code_of

B = "/flow-export/collector[name=b]"


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        (ErrorTag.IN_USE, Code.ABORTED),
        (ErrorTag.LOCK_DENIED, Code.ABORTED),
        (ErrorTag.ACCESS_DENIED, Code.PERMISSION_DENIED),
        (ErrorTag.RESOURCE_DENIED, Code.RESOURCE_EXHAUSTED),
        (ErrorTag.TOO_BIG, Code.RESOURCE_EXHAUSTED),
        (ErrorTag.DATA_EXISTS, Code.ALREADY_EXISTS),
        (ErrorTag.OPERATION_NOT_SUPPORTED, Code.UNIMPLEMENTED),
        (ErrorTag.ROLLBACK_FAILED, Code.INTERNAL),
        (ErrorTag.OPERATION_FAILED, Code.FAILED_PRECONDITION),
        (ErrorTag.INVALID_VALUE, Code.INVALID_ARGUMENT),
        (ErrorTag.DATA_MISSING, Code.INVALID_ARGUMENT),
        (ErrorTag.MISSING_ELEMENT, Code.INVALID_ARGUMENT),
        (ErrorTag.UNKNOWN_ELEMENT, Code.INVALID_ARGUMENT),
    ],
)
def test_the_code_of_a_tag(tag: ErrorTag, code: Code) -> None:
    second = Fault(tag=ErrorTag.TOO_BIG, message="second")
    assert code_of(ManagementError([Fault(tag=tag, message="first"), second])) is code


def test_a_rule_of_the_model_and_a_pending_commit_have_codes_of_their_own() -> None:
    broken = Fault(tag=ErrorTag.OPERATION_FAILED, message="no", app_tag="must-violation")
    assert code_of(ManagementError([broken])) is Code.INVALID_ARGUMENT
    assert code_of(PendingError.single(ErrorTag.IN_USE, "x")) is Code.FAILED_PRECONDITION


async def test_a_conflict_of_another_door_would_be_aborted(server: Server, client: Client) -> None:
    """A candidate of NETCONF creates what a Set has made since; no Set itself can be so late."""
    store, session = server.datastore, server.operator()
    xml = (
        '<flow-export xmlns="urn:flowexport:flow-export"><collector'
        ' xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="create">'
        "<name>c</name><address>192.0.2.1</address><protocol>sflow</protocol>"
        "</collector></flow-export>"
    )
    await store.edit(session, Store.CANDIDATE, edits(store.schema, xml), EditOptions())
    await client.set(update=[update(B.replace("=b", "=c"), collector("c"))])
    with pytest.raises(ManagementError) as refused:
        await store.commit(session)
    error = RpcError.of(refused.value)
    assert error.code is Code.ABORTED
    status = m.Status.FromString(error.details())
    info = m.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == "REPLAY_CONFLICT"


async def test_a_full_disk_is_a_lack_of_resources(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flowexport_mgmt.datastore.files.StateFolder.write", full)
    code, message = await client.fails(client.set(update=[update(f"{B}/port", 5)]))
    assert (code, "No space left" in message) == ("RESOURCE_EXHAUSTED", True)
    monkeypatch.undo()
    assert await client.value(f"{B}/port") == 2
    await client.set(update=[update(f"{B}/port", 5)])


async def test_a_server_that_stops_says_so(server: Server, client: Client) -> None:
    stream: Any = await client.subscribe({"path": m.Path(), "mode": 1})
    await stream.initial()
    ended = asyncio.create_task(stream.status())
    await server.door.stop()
    assert (await ended)[0] == "UNAVAILABLE"
