"""The faults of a soak: each begins, and is over when the next one begins."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.conditions import wait_until
from tests.support.netconf import Netconf, RpcError
from tests.support.soak.telemetry import subscribed

if TYPE_CHECKING:
    from tests.support.soak.run import Soak

_PATIENCE = 90.0
"""Seconds for a commit on a busy machine, whose exporter may have to be started first."""

Fault = Callable[["Soak"], contextlib.AbstractContextManager[None]]


@contextmanager
def flapping_collector(soak: Soak) -> Iterator[None]:
    """A collector stops listening, so that its host refuses, and listens again."""
    soak.flapping.close()
    yield
    soak.flapping = listen(soak.flapping_port)


@contextmanager
def interface_that_comes_and_goes(_: Soak) -> Iterator[None]:
    """An interface appears, carries something, and is deleted."""
    name = f"soak{random.randrange(10_000)}"
    ip("link", "add", name, "type", "veth", "peer", "name", f"{name}p")
    ip("link", "set", name, "up")
    try:
        yield
    finally:
        ip("link", "delete", name)


@contextmanager
def full_disk(soak: Soak) -> Iterator[None]:
    """The state folder is full: a commit is refused in words, and what runs goes on."""
    ballast = soak.state / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(1 << 16)):
            pass
    try:
        with Netconf(soak.daemon.socket, _PATIENCE) as session:
            said = _try_commit(soak, session)
            assert not said or "No space left" in said, said
            with contextlib.suppress(RpcError):
                session.rpc("<discard-changes/>")
        yield
    finally:
        ballast.unlink()


def _try_commit(soak: Soak, session: Netconf) -> str:
    """Commit; give the words of a refusal, or nothing where there was room enough after all."""
    try:
        session.edit(soak.small_change())
        session.commit()
    except RpcError as error:
        soak.refused += 1
        return error.fields.get("error-message", "no words")
    soak.commits += 1
    return ""


@contextmanager
def no_descriptors(soak: Soak) -> Iterator[None]:
    """The manager may open nothing more: sessions that are open go on, new ones wait."""
    pid = soak.daemon.child("manager")
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    with soak.daemon.netconf() as session, ExitStack() as stack:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, before[1]))
        try:
            for _ in range(8):
                stack.enter_context(socket.create_connection(("127.0.0.1", soak.daemon.ssh_port)))
            session.get_config()
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextmanager
def half_open_ssh(soak: Soak) -> Iterator[None]:
    """Connections that never say what they want."""
    with ExitStack() as stack:
        for number in range(24):
            client = stack.enter_context(
                socket.create_connection(("127.0.0.1", soak.daemon.ssh_port))
            )
            if number % 2:
                client.sendall(b"SSH-2.0-nobody\r\n")
        yield


@contextmanager
def frozen_exporter(soak: Soak) -> Iterator[None]:
    """The exporter stands still for a moment, as on a host that swaps."""
    pid = soak.daemon.child("exporter")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def reload(soak: Soak) -> Iterator[None]:
    """HUP."""
    soak.daemon.signal(signal.SIGHUP)
    yield


@contextmanager
def commit(soak: Soak) -> Iterator[None]:
    """A commit that concerns one collector."""
    soak.commit(soak.small_change())
    yield


@contextmanager
def slow_gnmi_client(soak: Soak) -> Iterator[None]:
    """A subscriber to everything who reads one message and no more."""
    with subscribed(soak.daemon.gnmi_port) as call:
        yield
        assert call.is_active()


FAULTS: tuple[Fault, ...] = (
    flapping_collector,
    interface_that_comes_and_goes,
    full_disk,
    no_descriptors,
    half_open_ssh,
    frozen_exporter,
    reload,
    commit,
    slow_gnmi_client,
)


def kill(soak: Soak, name: str) -> None:
    """Kill a process with SIGKILL and wait until all is as before; the supervisor's ends all."""
    if name == "supervisor":
        soak.daemon.process.kill()
        soak.restart()
        return
    pid = wait_until(lambda: soak.daemon.child(name), 30)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: soak.daemon.child(name) not in {0, pid}, 30)
    soak.settle()


def listen(port: int = 0) -> socket.socket:
    """Open a UDP socket that takes what comes."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", port))
    return sock


def ip(*words: str) -> None:
    """Run ip(8)."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


def unmount_state(folder: Path) -> None:
    """Take the file system away again."""
    subprocess.run(["umount", folder], check=True)


def mount_state(folder: Path) -> None:
    """Give the state folder a small file system of its own; needs a mount namespace of its own."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=True)
