"""``flowexport-collect``: receives sFlow, NetFlow and IPFIX, and shows what they say."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from flowexport_mgmt.collect import output
from flowexport_mgmt.collect.listen import Endpoint, bind, listening, parse_endpoint
from flowexport_mgmt.collect.replay import replay
from flowexport_mgmt.collect.report import Report
from flowexport_mgmt.errors import DecodeError, ExitCode, StartError

_DEFAULT: Final = tuple(Endpoint("127.0.0.1", port) for port in (6343, 2055, 4739))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; its result is the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except StartError as error:
        output.write(sys.stderr, [f"flowexport-collect: {error}"])
        return error.code
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK


def _run(arguments: argparse.Namespace) -> int:
    report = Report(strict=arguments.strict, count=arguments.count)
    render = output.render_json if arguments.json else output.render_lines
    report.show = lambda port, message: output.write(sys.stdout, render(port, message))
    if arguments.pcap is not None:
        _replay(arguments, report)
    else:
        asyncio.run(_collect(arguments, report))
    stream = sys.stderr if arguments.json else sys.stdout
    output.write(stream, output.render_summary(report.tally, report.faults))
    return ExitCode.UNEXPECTED if arguments.strict and report.faults else ExitCode.OK


def _replay(arguments: argparse.Namespace, report: Report) -> None:
    ports = {endpoint.port for endpoint in arguments.listen}
    try:
        file = arguments.pcap.open("rb")
    except OSError as error:
        message = f"cannot read {arguments.pcap}: {error.strerror}"
        raise StartError(message, ExitCode.RESOURCE_MISSING) from error
    with file:
        try:
            replay(file, ports, report)
        except DecodeError as error:
            raise StartError(f"{arguments.pcap}: {error}", ExitCode.RESOURCE_MISSING) from error


async def _collect(arguments: argparse.Namespace, report: Report) -> None:
    """Receive until a signal, the time or the count ends it."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    report.full = stop.set
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        sockets = [stack.enter_context(bind(one)) for one in arguments.listen or _DEFAULT]
        bound = await stack.enter_async_context(listening(sockets, report.receive))
        await stack.enter_async_context(_showing(arguments, report, list(map(str, bound))))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), arguments.duration)


def _showing(
    arguments: argparse.Namespace, report: Report, bound: list[str]
) -> contextlib.AbstractAsyncContextManager[None]:
    """Choose the live table on a terminal, text otherwise."""
    if arguments.json or not sys.stdout.isatty():
        output.write(sys.stderr, [f"listening on {', '.join(bound)}"])
        return contextlib.nullcontext()
    from flowexport_mgmt.collect.live import drawing  # noqa: PLC0415 - rich is for terminals

    report.show = lambda _port, _message: None
    return drawing(report, bound)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="flowexport-collect",
        description="Receive sFlow v5, NetFlow v5, v9 and IPFIX, any of them on any port, and show "
        "what they say: a live table on a terminal, otherwise a line per record.",
    )
    parser.add_argument(
        "--listen",
        action="append",
        type=_endpoint,
        default=[],
        metavar="HOST:PORT",
        help="address to receive on, may be given several times; with --pcap only datagrams to "
        f"these ports are read (default: {', '.join(map(str, _DEFAULT))})",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per record")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="name every fault, with its octet, on standard error, and exit 1 if there was one",
    )
    parser.add_argument(
        "--pcap", type=Path, metavar="FILE", help="read a capture (pcap format) and end"
    )
    parser.add_argument("--duration", type=_seconds, metavar="SECONDS", help="end after this time")
    parser.add_argument("--count", type=_count, metavar="N", help="end after this many datagrams")
    return parser


def _endpoint(text: str) -> Endpoint:
    try:
        return parse_endpoint(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is not a time")
    return seconds


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return count
