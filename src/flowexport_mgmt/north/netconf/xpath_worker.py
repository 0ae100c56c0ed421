"""The process that evaluates costly expressions: it dies when one takes too long.

Messages in both directions are MessagePack behind a length of four octets. A request whose document
is the one of the request before leaves it out. The answer is the numbers of the elements found, in
document order with the root as 0; the boolean value of another result; or what is wrong, in words.
"""

from __future__ import annotations

import resource
import signal
import struct
import sys
from typing import BinaryIO, Final

import msgspec
from lxml import etree

from flowexport_mgmt.north.netconf.xpath import Expression, ExpressionError

HEADER: Final = struct.Struct("!I")
_MEMORY: Final = 1 << 30
"""Octets of address space; libxml2 fails an evaluation that wants more."""


class Request(msgspec.Struct, array_like=True, frozen=True):
    """An expression to evaluate in ``seconds`` of processor time; ``xml`` None: as before."""

    expression: str
    prefixes: dict[str, str]
    xml: bytes | None
    seconds: float


Result = list[int] | bool | str


def main() -> int:
    """Answer requests until there are no more."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    trusted = etree.XMLParser(huge_tree=True, resolve_entities=False, no_network=True)
    decoder, data = msgspec.msgpack.Decoder(Request), etree.Element("data")
    while (message := _receive(sys.stdin.buffer)) is not None:
        request = decoder.decode(message)
        if request.xml is not None:
            data = etree.fromstring(request.xml, trusted)
        _send(sys.stdout.buffer, _evaluate(request, data))
    return 0


def _evaluate(request: Request, data: etree._Element) -> Result:
    """Evaluate under a timer whose signal ends the process, in the midst of C code too."""
    signal.setitimer(signal.ITIMER_PROF, request.seconds)
    try:
        found = Expression(request.expression, request.prefixes).evaluate(data)
        return found if isinstance(found, bool) else _numbers(found, data)
    except ExpressionError as error:
        return str(error)
    except MemoryError:
        return "its evaluation takes too much memory"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _numbers(found: list[etree._Element], data: etree._Element) -> list[int]:
    wanted = set(found)
    return [number for number, element in enumerate(data.iter()) if element in wanted]


def _receive(stream: BinaryIO) -> bytes | None:
    header = stream.read(HEADER.size)
    return stream.read(*HEADER.unpack(header)) if len(header) == HEADER.size else None


def _send(stream: BinaryIO, result: Result) -> None:
    message = msgspec.msgpack.encode(result)
    stream.write(HEADER.pack(len(message)) + message)
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
