from __future__ import annotations

import asyncio

from flowexport_mgmt.datastore import Bus


async def test_every_subscription_gets_every_event() -> None:
    bus = Bus()
    with bus.subscribe() as one, bus.subscribe() as other:
        bus.publish("a")
        bus.publish("b")
        for subscription in (one, other):
            events = aiter(subscription)
            assert [await anext(events), await anext(events)] == ["a", "b"]
            await events.aclose()  # type: ignore[attr-defined]  # an async generator
    bus.publish("c")
    assert bus.published == 3


async def test_the_oldest_is_dropped_and_counted() -> None:
    bus = Bus()
    with bus.subscribe(limit=2) as subscription:
        for event in range(5):
            bus.publish(event)
        assert subscription.dropped == 3
        subscription.close()
        assert [event async for event in subscription] == [3, 4]


async def test_a_reader_waits_and_ends_when_closed() -> None:
    bus = Bus()
    subscription = bus.subscribe()
    read: list[object] = []

    async def reader() -> None:
        read.extend([event async for event in subscription])

    task = asyncio.create_task(reader())
    await asyncio.sleep(0)
    bus.publish("a")
    await asyncio.sleep(0)
    subscription.close()
    await asyncio.wait_for(task, 5)
    assert read == ["a"]
    bus.publish("b")
    assert read == ["a"]
