"""The local socket: the kernel says who connects."""

from __future__ import annotations

import asyncio
import os
import pwd
import stat
import sys

import pytest
from tests.support.netconf_server import Server

STRANGER = """
import os, socket
os.setuid(65534)
with socket.socket(socket.AF_UNIX) as client:
    client.connect("netconf.sock")
    client.settimeout(10)
    try:
        print(client.recv(100))
    except ConnectionResetError:
        print(b"")
"""


async def test_only_the_owner_can_connect_and_is_who_the_kernel_says(server: Server) -> None:
    assert stat.S_IMODE(server.socket.stat().st_mode) == 0o600
    await server.client()
    (session,) = server.datastore.sessions
    assert session.user == pwd.getpwuid(os.geteuid()).pw_name
    assert (session.door, session.source) == ("netconf-unix", f"pid {os.getpid()}")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can connect as somebody else")
async def test_another_user_is_refused_though_the_file_would_let_him_in(server: Server) -> None:
    server.socket.chmod(0o666)
    server.folder.chmod(0o711)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STRANGER), cwd=server.folder, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, out) == (0, b"b''\n")
    assert server.datastore.rejected_sessions == 1
    assert not server.datastore.sessions
