"""Expressions that cost more than others: the right answer, or an end in bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.netconf_client import FE, NAMESPACES, RawClient
from tests.support.netconf_server import running_server

from flowexport_mgmt.errors import ErrorTag, ManagementError
from flowexport_mgmt.north.netconf.evaluation import Evaluator, Printed
from flowexport_mgmt.north.netconf.xpath import Expression, ExpressionError

DOCUMENT = Printed(b"<a><b>1</b><b>2</b></a><c/>")
COSTLY = "//*[count(//*[count(//*[count(//*) &gt; 1]) &gt; 1]) &gt; 1]"
COLLECTORS = 1000


@pytest.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    evaluator = Evaluator()
    yield evaluator
    await evaluator.stop()


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("//b", ["1", "2"]),
        ("/a/b[. > count(/c)]", ["2"]),
        ("/a/b", ["1", "2"]),
        ("/", [None]),
        ("//nothing", []),
        ("count(//b) = 2", True),
        ("count(//b) = 3", False),
    ],
)
async def test_the_answer_does_not_depend_on_where_it_is_found(
    evaluator: Evaluator, expression: str, found: list[str | None] | bool
) -> None:
    here = Expression(expression, {}).evaluate(DOCUMENT.data)
    there = await evaluator.evaluate(Expression(expression, {}), DOCUMENT)
    assert here == there
    texts = there if isinstance(there, bool) else [element.text for element in there]
    assert texts == found


async def test_another_document_and_the_same_one_again(evaluator: Evaluator) -> None:
    other, expression = Printed(b"<b>7</b>"), Expression("//b", {})
    for document, texts in ((DOCUMENT, ["1", "2"]), (other, ["7"]), (other, ["7"])):
        found = await evaluator.evaluate(expression, document)
        assert not isinstance(found, bool)
        assert [element.text for element in found] == texts


async def test_what_is_wrong_is_told_and_ends_nothing(evaluator: Evaluator) -> None:
    with pytest.raises(ExpressionError, match="prefix"):
        await evaluator.evaluate(Expression("//x:b", {}), DOCUMENT)
    assert await evaluator.evaluate(Expression("count(//b) = 2", {}), DOCUMENT)


async def test_an_evaluation_that_is_abandoned_spoils_no_other(evaluator: Evaluator) -> None:
    large = Printed(b"<a>%b</a>" % (b"<b/>" * 3000))
    slow = Expression("count(//b[count(//b) > 1]) > 1", {})
    task = asyncio.ensure_future(evaluator.evaluate(slow, large))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await evaluator.evaluate(Expression("count(//b) = 2", {}), DOCUMENT)


async def test_the_budget_is_that_of_the_processor() -> None:
    evaluator = Evaluator(budget=0.1)
    large = Printed(b"<a>%b</a>" % (b"<b/>" * 20000))
    with pytest.raises(ManagementError) as caught:
        await evaluator.evaluate(Expression("count(//b[count(//b) > 1]) > 1", {}), large)
    assert caught.value.faults[0].tag is ErrorTag.RESOURCE_DENIED
    assert evaluator.exhausted == 1
    assert await evaluator.evaluate(Expression("count(//b) = 2", {}), DOCUMENT)
    await evaluator.stop()


@pytest.fixture
async def clients(tmp_path: Path) -> AsyncIterator[tuple[RawClient, RawClient]]:
    """Two sessions on a server with many collectors."""
    entries = "".join(
        f"<collector><name>c{n}</name><address>192.0.2.1</address><port>{n + 1}</port>"
        "<protocol>ipfix</protocol></collector>"
        for n in range(COLLECTORS)
    )
    data = f'<flow-export xmlns="{FE}">{entries}</flow-export>'
    async with running_server(tmp_path, data=data) as server:
        yield await server.client(), await server.client()


async def test_a_costly_expression_is_given_up_and_stops_nobody(
    clients: tuple[RawClient, RawClient],
) -> None:
    ann, bob = clients
    xpath = f'<filter type="xpath" xmlns:fe="{FE}" select="{{}}"/>'
    get = "<get-config><source><running/></source>{}</get-config>"
    refused = asyncio.ensure_future(ann.errors(get.format(xpath.format(COSTLY))))
    answered = 0
    while not refused.done():
        await bob.data(get.format(f'<filter><server xmlns="{NAMESPACES["fxs"]}"/></filter>'))
        answered += 1
        await asyncio.sleep(0.02)  # which leaves the processor to the evaluation
    (error,) = await refused
    assert (error["type"], error["tag"]) == ("application", "resource-denied")
    assert "1 s" in error["message"]
    assert answered > 10
    last = "//fe:collector[fe:port = count(//fe:collector)]"
    data = await ann.data(get.format(xpath.format(last)))
    assert [e.text for e in data.iterfind(".//fe:name", NAMESPACES)] == [f"c{COLLECTORS - 1}"]
