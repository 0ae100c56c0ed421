from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import msgspec
import pytest
from tests.support.conditions import until

from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.link import channel as channel_module
from flowexport_mgmt.link import messages as m
from flowexport_mgmt.link.channel import Channel, EventQueue, NoAnswerError
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus

FROM_EXPORTER: msgspec.msgpack.Decoder[m.FromExporter] = msgspec.msgpack.Decoder(m.FromExporter)
REQUESTS: msgspec.msgpack.Decoder[m.Request] = msgspec.msgpack.Decoder(m.Request)
Answer = Callable[[m.Request], Awaitable[msgspec.Struct]]


async def say_done(_request: m.Request) -> msgspec.Struct:
    return m.Done()


@dataclass
class Link:
    """Both ends of a link in one process, over a real socket pair."""

    answer: Answer = say_done
    events: EventQueue = field(default_factory=EventQueue)
    heard: list[m.FromExporter] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.manager: Channel[m.FromExporter] = Channel(
            FROM_EXPORTER, peer="the exporter", on_message=self.heard.append
        )
        self.exporter: Channel[m.Request] = Channel(
            REQUESTS, peer="the manager", on_request=self.answer, events=self.events
        )

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        ends = socket.socketpair()
        tasks = [
            asyncio.create_task(self.manager.run(ends[0])),
            asyncio.create_task(self.exporter.run(ends[1])),
        ]
        try:
            yield
        finally:
            self.manager.close()
            await asyncio.wait_for(asyncio.gather(*tasks), 5)


async def test_a_request_gets_its_reply() -> None:
    seen: list[m.Request] = []

    async def answer(request: m.Request) -> msgspec.Struct:
        seen.append(request)
        return m.Prepared(refusals=(m.Refusal(path="/fe:flow-export", message="no"),))

    collector = fe.Collector(name="a", address="192.0.2.1", protocol=fe.Protocol.IPFIX)
    prepare = m.Prepare(
        commit=2**64 - 1, flow_export=fe.FlowExport(collector=(collector,)), strict=False
    )
    link = Link(answer)
    async with link.open():
        reply = await link.manager.request(prepare, 5)
    assert seen == [prepare]
    assert reply == m.Prepared(refusals=(m.Refusal(path="/fe:flow-export", message="no"),))


async def test_requests_are_answered_in_order_and_replies_find_their_request() -> None:
    order: list[int] = []

    async def answer(request: m.Request) -> msgspec.Struct:
        assert isinstance(request, m.Apply)
        if request.commit == 0:
            await asyncio.sleep(0.02)
        order.append(request.commit)
        return m.Failed(message=str(request.commit))

    link = Link(answer)
    async with link.open():
        replies = await asyncio.gather(
            *(link.manager.request(m.Apply(commit=number), 5) for number in range(20))
        )
    assert order == list(range(20))
    assert replies == [m.Failed(message=str(number)) for number in range(20)]


async def test_a_large_reply_arrives_whole() -> None:
    statistics = fe.CollectorStatistics(last_error="x" * 100)
    state = m.State(
        flow_export=fe.FlowExportState(
            collector=tuple(
                fe.CollectorState(name=f"collector-{number}", statistics=statistics)
                for number in range(20_000)
            )
        )
    )

    async def answer(_request: m.Request) -> msgspec.Struct:
        return state

    link = Link(answer)
    async with link.open():
        assert await link.manager.request(m.GetState(paths=("/flow-export",)), 30) == state


async def test_a_reply_too_large_is_a_failure_and_not_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channel_module, "_MAX_MESSAGE", 1000)

    async def answer(request: m.Request) -> msgspec.Struct:
        return m.Failed(message="x" * 2000) if isinstance(request, m.GetState) else m.Done()

    link = Link(answer)
    async with link.open():
        reply = await link.manager.request(m.GetState(), 5)
        assert isinstance(reply, m.Failed)
        assert "too large" in reply.message
        assert await link.manager.request(m.Apply(commit=1), 5) == m.Done()
        with pytest.raises(LinkError, match="too large"):
            link.manager.send(m.Failed(message="x" * 2000))


async def test_an_exception_in_a_request_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def answer(_request: m.Request) -> msgspec.Struct:
        raise ZeroDivisionError("by zero")

    link = Link(answer)
    async with link.open():
        reply = await link.manager.request(m.Apply(commit=1), 5)
    assert reply == m.Failed(message="ZeroDivisionError: by zero")
    assert "a request of the manager failed" in caplog.text


async def test_hello_and_events_arrive_in_order() -> None:
    link = Link()
    sent = [
        m.CollectorStateChange(
            name=str(number), oper_status=OperStatus.DOWN, oper_reason="no route"
        )
        for number in range(50)
    ]
    hello = m.Hello(commit=3, started="2026-11-21T00:00:00Z")
    link.events.post(sent[0])
    async with link.open():
        link.exporter.send(hello)
        for event in sent[1:]:
            link.events.post(event)
        await until(lambda: len(link.heard) == 51)
    assert link.heard == [hello, *sent]


async def test_waiting_requests_fail_when_the_peer_goes() -> None:
    go = asyncio.Event()

    async def wait(_request: m.Request) -> msgspec.Struct:
        await go.wait()
        return m.Done()

    link = Link(wait)
    async with link.open():
        waiting = asyncio.create_task(link.manager.request(m.Apply(commit=1), 60))
        await until(lambda: bool(link.manager._waiters))
        link.exporter.close()
        go.set()
        with pytest.raises(LinkError, match="closed"):
            await asyncio.wait_for(waiting, 5)
        assert link.manager.closed
        with pytest.raises(LinkError, match="closed"):
            await link.manager.request(m.Apply(commit=2), 5)


async def test_no_answer_in_time_is_an_error_and_a_late_one_is_ignored() -> None:
    go = asyncio.Event()

    async def wait(_request: m.Request) -> msgspec.Struct:
        await go.wait()
        return m.Done()

    link = Link(wait)
    async with link.open():
        with pytest.raises(NoAnswerError, match=r"did not answer in 0\.05 s"):
            await link.manager.request(m.Apply(commit=1), 0.05)
        go.set()
        assert await link.manager.request(m.Apply(commit=2), 5) == m.Done()


async def test_requests_that_wait_are_bounded() -> None:
    go = asyncio.Event()

    async def wait(_request: m.Request) -> msgspec.Struct:
        await go.wait()
        return m.Done()

    link = Link(wait)
    async with link.open():
        waiting = [
            asyncio.create_task(link.manager.request(m.Apply(commit=1), 60)) for _ in range(256)
        ]
        await until(lambda: len(link.manager._waiters) == 256)
        with pytest.raises(LinkError, match="too many"):
            await link.manager.request(m.Apply(commit=1), 60)
        link.exporter.close()
        go.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(result) for result in results} == {LinkError}


async def test_a_link_that_ends_late_does_not_silence_its_successor() -> None:
    first = Link()
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(first.open())
        await until(lambda: first.events.on_post is not None)
        second = Link(events=first.events)
        await stack.enter_async_context(second.open())
        await until(lambda: first.events.on_post == second.exporter._work.set)
        first.exporter.close()
        await until(lambda: first.manager.closed)
        event = m.CollectorStateChange(name="a", oper_status=OperStatus.UP)
        second.events.post(event)
        await until(lambda: second.heard == [event])


def test_a_full_event_queue_drops_the_oldest() -> None:
    queue = EventQueue(limit=3)
    events = [
        m.CollectorStateChange(name=str(number), oper_status=OperStatus.UP) for number in range(5)
    ]
    for event in events:
        queue.post(event)
    assert queue.dropped == 2
    assert [queue.take() for _ in range(4)] == [*events[2:], None]


async def test_a_peer_that_does_not_read_blocks_nobody() -> None:
    """Fill the socket: posting stays immediate, memory bounded, drops counted."""
    events = EventQueue(limit=10)
    exporter: Channel[m.Request] = Channel(
        REQUESTS, peer="the manager", on_request=say_done, events=events
    )
    ours, theirs = socket.socketpair()
    task = asyncio.create_task(exporter.run(ours))
    big = m.CollectorStateChange(name="a", oper_status=OperStatus.DOWN, oper_reason="x" * 50_000)
    with theirs:
        async with asyncio.timeout(20):
            while not events.dropped:
                events.post(big)
                await asyncio.sleep(0)
        assert len(events._waiting) == 10
        assert len(exporter._outgoing) <= 2
    exporter.close()
    await asyncio.wait_for(task, 5)


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (struct.pack("!II?", 2**31, 1, False), "frame of"),
        (
            struct.pack("!II?", 1, 1, True) + b"\x81" + struct.pack("!II?", 1, 2, False) + b"x",
            "mixed",
        ),
        (struct.pack("!II?", 3, 1, False) + b"\xff\xff\xff", "strange message"),
        (struct.pack("!II?", 6, 1, False) + b"\x81\xa4type", "strange message"),
        (struct.pack("!II?", 0, 1, False), "strange message"),
    ],
)
async def test_a_peer_that_breaks_the_protocol_is_closed(
    sent: bytes,
    complaint: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    exporter: Channel[m.Request] = Channel(REQUESTS, peer="the manager", on_request=say_done)
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(sent)
        await asyncio.wait_for(exporter.run(ours), 5)
        assert theirs.recv(1) == b""
    assert complaint in caplog.text


async def test_messages_for_a_message_that_never_ends_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(channel_module, "_MAX_MESSAGE", 1000)
    exporter: Channel[m.Request] = Channel(REQUESTS, peer="the manager", on_request=say_done)
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall((struct.pack("!II?", 400, 1, True) + bytes(400)) * 3)
        await asyncio.wait_for(exporter.run(ours), 5)
    assert "frame of 400 octets" in caplog.text


async def test_closed_before_it_ran() -> None:
    link = Link()
    link.manager.close()
    ours, theirs = socket.socketpair()
    with theirs:
        await asyncio.wait_for(link.manager.run(ours), 5)
        assert theirs.recv(1) == b""
