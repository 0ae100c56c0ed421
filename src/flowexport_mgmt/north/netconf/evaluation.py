"""Evaluation of expressions in bounded time: quick ones here, all others in a process of their own.

One user's costly expression neither stops the manager nor runs for ever: the process has a budget
of processor time, and is killed and started anew when it is used up.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import msgspec
from lxml import etree

from flowexport_mgmt.errors import ErrorTag, ManagementError
from flowexport_mgmt.north.netconf.selection import Selection, select_subtrees
from flowexport_mgmt.north.netconf.xpath import Expression, ExpressionError
from flowexport_mgmt.north.netconf.xpath_worker import HEADER, Request, Result

BUDGET: Final = 1.0
"""Seconds of processor time for one evaluation."""

_PATIENCE: Final = 30.0
"""Seconds by the clock; a process that was stopped must not keep a session for ever."""

_WORKER: Final = ("-P", "-m", "flowexport_mgmt.north.netconf.xpath_worker")
_TRUSTED: Final = etree.XMLParser(huge_tree=True, resolve_entities=False, no_network=True)
_decoder: Final[msgspec.msgpack.Decoder[Result]] = msgspec.msgpack.Decoder(Result)
_serials = itertools.count(1)


@dataclass(frozen=True)
class Printed:
    """XML elements as they were printed; parsed when somebody asks for an element."""

    xml: bytes
    serial: int = field(default_factory=_serials.__next__, compare=False)

    @property
    def whole(self) -> bytes:
        """The elements below one that stands for their root."""
        return b"<data>%b</data>" % self.xml

    @cached_property
    def data(self) -> etree._Element:
        """The element that stands for the root."""
        return etree.fromstring(self.whole, _TRUSTED)


class Evaluator:
    """Evaluates expressions, one at a time where they are costly."""

    def __init__(self, budget: float = BUDGET) -> None:
        self._budget = budget
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        self._held = 0
        self.exhausted = 0
        """Evaluations that were given up."""

    async def evaluate(
        self, expression: Expression, document: Printed
    ) -> list[etree._Element] | bool:
        """Evaluate an expression against a document.

        Raises:
            ExpressionError: what is wrong with it.
            ManagementError: ``resource-denied``: it takes too long.
        """
        if expression.is_quick:
            return expression.evaluate(document.data)
        async with self._turn:
            result = await self._ask(expression, document)
        if isinstance(result, str):
            raise ExpressionError(result)
        if isinstance(result, bool):
            return result
        elements = list(document.data.iter())
        return [elements[number] for number in result]

    async def stop(self) -> None:
        """End the process; the next evaluation would start it again."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()

    async def _ask(self, expression: Expression, document: Printed) -> Result:
        process = self._process or await self._start()
        xml = None if document.serial == self._held else document.whole
        request = Request(expression.text, expression.prefixes, xml, self._budget)
        try:
            async with asyncio.timeout(_PATIENCE):
                answer = await _exchange(process, msgspec.msgpack.encode(request))
        except (OSError, EOFError, TimeoutError):
            await self.stop()
            self.exhausted += 1
            message = f"the expression takes more than {self._budget:g} s to evaluate on this data"
            raise ManagementError.single(ErrorTag.RESOURCE_DENIED, message) from None
        except BaseException:
            await self.stop()  # the answer that is on its way belongs to nobody
            raise
        self._held = document.serial
        return _decoder.decode(answer)

    async def _start(self) -> Process:
        self._held = 0
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *_WORKER, stdin=PIPE, stdout=PIPE, limit=1 << 24
        )
        return self._process


async def _exchange(process: Process, request: bytes) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise EOFError
    process.stdin.write(HEADER.pack(len(request)) + request)
    await process.stdin.drain()
    (size,) = HEADER.unpack(await process.stdout.readexactly(HEADER.size))
    return await process.stdout.readexactly(size)


class XPathFilter:
    """An expression that chooses parts of a document, and how to word what is wrong with it.

    Raises:
        ManagementError: what ``blame`` makes of an expression that is too long or not XPath.
    """

    def __init__(
        self, text: str, prefixes: dict[str, str], blame: Callable[[str], ManagementError]
    ) -> None:
        self._blame = blame
        try:
            self._expression = Expression(text, prefixes)
        except ExpressionError as error:
            raise blame(str(error)) from error
        self.paths = self._expression.paths

    def requests(self, lists: Collection[str]) -> tuple[str, ...]:
        """List what is asked of lists that are told only to who names them."""
        return self._expression.requests(lists)

    def in_modules(self, modules: Mapping[str, str]) -> str | None:
        """Write the expression with module names; None where a prefix stands for no module."""
        return self._expression.in_modules(modules)

    async def select(self, document: Printed, evaluator: Evaluator) -> Selection | None:
        """Choose among the top nodes of a document; None chooses everything.

        Raises:
            ManagementError: as above for a prefix that is not declared and for an unknown function
                or variable; ``invalid-value`` for a result that is not a set of nodes;
                ``resource-denied`` when it takes too long.
        """
        found = await self._evaluate(document, evaluator)
        if isinstance(found, bool):
            raise ManagementError.single(
                ErrorTag.INVALID_VALUE, "the expression does not return a set of nodes"
            )
        return select_subtrees(document.data, found)

    async def matches(self, document: Printed, evaluator: Evaluator) -> bool:
        """Tell whether the boolean value of the result is true.

        Raises:
            ManagementError: as above.
        """
        return bool(await self._evaluate(document, evaluator))

    async def _evaluate(
        self, document: Printed, evaluator: Evaluator
    ) -> list[etree._Element] | bool:
        try:
            return await evaluator.evaluate(self._expression, document)
        except ExpressionError as error:
            raise self._blame(str(error)) from error
