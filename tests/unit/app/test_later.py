from __future__ import annotations

import asyncio

from tests.support.conditions import until

from flowexport_mgmt.app.later import LaterComponent
from flowexport_mgmt.app.logging_component import LoggingComponent
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.model.server import Logging, LoggingLevel, Server

CHATTY = Configuration(server=Server(logging=Logging(level=LoggingLevel.DEBUG)))


async def test_a_commit_waits_for_the_component_and_reaches_it() -> None:
    heard: list[tuple[str, str]] = []
    later = LaterComponent()
    assert later.paths == ("/",)
    preparing = asyncio.create_task(later.prepare(Configuration(), CHATTY, commit=1, strict=True))
    asked: list[bool] = []
    asyncio.get_running_loop().call_soon(lambda: asked.append(preparing.done()))
    await until(lambda: asked)
    assert asked == [False]
    component = LoggingComponent(lambda level, form: heard.append((level, form)))
    later.arrive(component)
    assert await asyncio.wait_for(preparing, 5) == ()
    await later.apply()
    assert heard == [("debug", "text")]
    assert later.paths == component.paths


async def test_a_commit_that_gives_up_waiting_leaves_no_trace() -> None:
    heard: list[tuple[str, str]] = []
    later = LaterComponent()
    preparing = asyncio.create_task(later.prepare(Configuration(), CHATTY, commit=1, strict=True))
    await asyncio.sleep(0)
    preparing.cancel()
    await asyncio.wait([preparing])
    await later.abort()
    await later.apply()
    await later.stop()
    later.arrive(LoggingComponent(lambda level, form: heard.append((level, form))))
    await later.prepare(Configuration(), CHATTY, commit=2, strict=True)
    await later.abort()
    await later.apply()
    assert heard == []
