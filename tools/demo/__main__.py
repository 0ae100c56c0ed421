"""The demo: real interface counters, configured over NETCONF, decoded live in three protocols.

It ends with 0 only when each of the three collectors received counters, and none of them a fault.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

from tools.demo import network
from tools.demo.screen import Screen, draw
from tools.demo.world import POLLING_INTERVAL, PROTOCOLS, USER, DemoError, World

_LOOK = 1.0
"""Seconds to see whether anything moves."""


def main() -> int:
    """Run the demo; return the exit code."""
    options = _parser().parse_args()
    screen = Screen(plain=not sys.stdout.isatty())
    if not options.inside:
        screen.console.print("[bold]flowexport-mgmt[/bold]: interface counters, three protocols")
        if _wants_traffic(options, screen):
            command = ["unshare", "--net", sys.executable, "-m", "tools.demo", "--inside"]
            os.execvp("unshare", [*command, *sys.argv[1:]])  # noqa: S606, S607 - no shell is in it
    with network.traffic() if options.inside else contextlib.nullcontext():
        return _show(screen, options)


def _wants_traffic(options: argparse.Namespace, screen: Screen) -> bool:
    """Say whether the demo brings the traffic that it shows: it was told to, or nothing moves."""
    if options.traffic:
        if not network.is_possible():
            raise SystemExit("demo: --traffic needs root: it makes a network namespace")
        return True
    names = _interfaces()
    if (names and not network.is_idle(names, _LOOK)) or not network.is_possible():
        return False
    screen.tell("idle", "nothing moves on this machine's interfaces: here are three links that do")
    return True


def _show(screen: Screen, options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="flowexport-demo-") as folder:
        world = World(Path(folder))
        try:
            asyncio.run(_run(world, screen, options))
        except DemoError as error:
            screen.console.print(f"[red]demo:[/red] {error}", soft_wrap=True)
            sys.stderr.write(_end_of(world.log))
            return 1
        except (KeyboardInterrupt, asyncio.CancelledError):
            return 0 if options.keep else 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="demo", description="Export this machine's interface counters and watch them arrive."
    )
    parser.add_argument("--seconds", type=float, default=25.0, help="how long to watch (25)")
    parser.add_argument("--keep", action="store_true", help="stay until Ctrl-C")
    parser.add_argument(
        "--traffic",
        action="store_true",
        help="in a network of its own that carries frames (root), as where nothing moves anyway",
    )
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--svg", type=Path, help="save what is seen at the end as this picture")
    return parser


async def _run(world: World, screen: Screen, options: argparse.Namespace) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _cancel, asyncio.current_task())
    screen.tell("interfaces", ", ".join(_require_interfaces()))
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(world.collectors())
        ports = (f"{PROTOCOLS[name]} on 127.0.0.1:{port}" for name, port in world.ports.items())
        screen.tell("collectors", ", ".join(ports))
        started = time.monotonic()
        await stack.enter_async_context(world.daemon())
        screen.tell("flowexportd", f"answers after {time.monotonic() - started:.1f} s")
        await asyncio.to_thread(_configure, world, screen)
        if options.keep:
            screen.tell("ask it", f"{' '.join(world.command_line)} -c 'show interfaces'")
        view = await screen.watch(world, None if options.keep else options.seconds)
        if options.svg is not None:
            draw(options.svg, view)
        screen.console.print("\n[bold]flowexport -c 'show flow-export'[/bold]")
        screen.console.print_json(await world.ask("show flow-export"))
        _judge(world, screen)


def _cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()


def _interfaces() -> list[str]:
    return sorted(name for _, name in socket.if_nameindex() if name != "lo")


def _require_interfaces() -> list[str]:
    names = _interfaces()
    if not names:
        raise DemoError(
            "this machine has no interface but loopback, so there are no counters to export; "
            "add one (as root: ip link add demo0 type veth peer name demo1) and try again"
        )
    return names


def _configure(world: World, screen: Screen) -> None:
    """Put the three collectors into the candidate, and commit them."""
    with world.session() as session:
        screen.tell("NETCONF", f"session {session.session_id} over SSH as {USER}")
        session.edit_config(target="candidate", config=world.edit())
        session.commit()
    screen.tell("committed", f"three collectors, polled for every {POLLING_INTERVAL} s")


def _judge(world: World, screen: Screen) -> None:
    received = world.received()
    silent = [title for name, title in PROTOCOLS.items() if not received[name]]
    if silent:
        raise DemoError(f"no counters arrived by {', '.join(silent)}")
    if world.report.faults:
        raise DemoError(f"{world.report.faults} faults in what arrived")
    if world.is_idle():
        screen.console.print(
            "\nNothing moved on these interfaces meanwhile. Root sees more: --traffic."
        )
    words = ", ".join(f"{PROTOCOLS[name]} {count} datagrams" for name, count in received.items())
    screen.console.print(f"\n[green]All three received counters:[/green] {words}.")


def _end_of(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "".join(f"  {line}\n" for line in lines[-15:])


if __name__ == "__main__":
    sys.exit(main())
