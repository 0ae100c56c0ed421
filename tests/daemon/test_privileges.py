"""Started by root: whom the children become, and what they can still do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.conditions import wait_until
from tests.support.daemon import Collector, Daemon, flow_export
from tests.support.ports import free_ports

import flowexport_mgmt
from flowexport_mgmt.app import privilege

pytestmark = pytest.mark.root
KEPT = 1 << privilege.CAP_NET_ADMIN | 1 << privilege.CAP_NET_RAW
"""What the exporter keeps."""


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="fx", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def python(public: Path) -> Path:
    """The system's Python with our packages, for users who cannot read the one that tests run."""
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", public / "venv"], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    source = Path(flowexport_mgmt.__file__).resolve().parent.parent
    packages = public / "venv" / "lib" / version / "site-packages"
    (packages / "ours.pth").write_text(f"{source}\n{sysconfig.get_path('purelib')}\n")
    (public / "venv" / "share").symlink_to(Path(sysconfig.get_path("data")) / "share")
    return public / "venv" / "bin" / "python"


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: rest.strip() for name, _, rest in (line.partition(":") for line in lines)}


def capabilities(pid: int) -> set[int]:
    return {int(status(pid)[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")}


def test_children_become_the_service_user(public: Path, python: Path) -> None:
    account = privilege.find_account()
    assert account is not None, "scripts/setup makes the user when it is run by root"
    program = (Path(sys.prefix), Path(flowexport_mgmt.__file__).parent)
    assert privilege.can_reach(account, program), "this checkout is not for other users"
    private = public / "private"
    private.mkdir(mode=0o700)  # where the first configuration lies, for root's eyes only
    with Collector() as collector:
        command = (python, "-m", "flowexport_mgmt.app.main")
        with Daemon(
            private / "state",
            "--state-dir",
            public / "state",
            "--run-dir",
            public / "run",
            command=command,
        ) as daemon:
            daemon.socket = public / "run" / "netconf.sock"
            daemon.wait_started()
            daemon.commit(collector.xml("a"))
            assert collector.receive()
            for name, kept in (("manager", 0), ("exporter", KEPT)):
                pid = daemon.child(name)
                assert status(pid)["Uid"].split() == [str(account.uid)] * 4
                assert capabilities(pid) == {kept}
                assert status(pid)["NoNewPrivs"] == "1"
            owners = {path.stat().st_uid for path in (public / "state").rglob("*")}
            assert owners == {account.uid}
            assert daemon.socket.stat().st_uid == account.uid


def kill_and_await(daemon: Daemon, name: str) -> None:
    killed = daemon.child(name)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: daemon.child(name) not in {0, killed}, 20)


def test_as_its_unit_starts_it(public: Path, python: Path) -> None:
    """One user, ambient capabilities, and no call that a sandbox without @privileged forbids."""
    account = privilege.find_account()
    assert account is not None
    home = public / "home"
    home.mkdir()
    os.chown(home, account.uid, account.gid)
    names = "+net_admin,+net_raw"
    user = ("setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups")
    sets = (f"--inh-caps={names}", f"--ambient-caps={names}", f"--bounding-set=-all,{names}")
    command = (*user, *sets, "--no-new-privs", python, "-m", "flowexport_mgmt.app.main")
    with Collector() as collector, Daemon(home / "state", command=command) as daemon:
        daemon.wait_started()
        daemon.commit(collector.xml("a"))
        assert collector.receive()
        for kill in (False, True):
            if kill:  # what is started again is no more privileged
                for name in ("exporter", "manager"):
                    kill_and_await(daemon, name)
                daemon.netconf().__exit__()
            for name, kept in (("manager", 0), ("exporter", KEPT)):
                found = status(daemon.child(name))
                sets_of = {int(found[f"Cap{each}"], 16) for each in ("Prm", "Eff")}
                assert sets_of == {kept}, name
                assert int(found["CapAmb"], 16) == 0
                assert found["Uid"].split() == [str(account.uid)] * 4
            assert int(status(daemon.process.pid)["CapPrm"], 16) == KEPT


def test_the_process_that_hears_routers_has_no_capability(daemon: Daemon) -> None:
    (port,) = free_ports(1)
    listen = f"<listen-address>127.0.0.1</listen-address><port>{port}</port>"
    bmp = f"<bmp><enabled>true</enabled>{listen}</bmp>"
    daemon.commit(flow_export(f"<enrichment><bgp>true</bgp>{bmp}</enrichment>"))
    pid = wait_until(lambda: daemon.child("rib"), 20)
    wait_until(lambda: capabilities(pid) == {0}, 20)
    assert status(pid)["NoNewPrivs"] == "1"


def test_a_plain_user_runs_it_too(public: Path, python: Path) -> None:
    home = public / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    command = (*user, python, "-m", "flowexport_mgmt.app.main")
    with Collector() as collector, Daemon(home / "state", command=command) as daemon:
        daemon.wait_started()
        daemon.commit(collector.xml("a"))
        assert collector.receive()
        assert "warning" not in daemon.output
        for name in ("manager", "exporter"):
            pid = daemon.child(name)
            assert int(status(pid)["CapPrm"], 16) == 0
            assert status(pid)["NoNewPrivs"] == "1"
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0


def test_children_that_cannot_change_give_up_capabilities_only(daemon: Daemon) -> None:
    daemon.find("the children stay user 0 and give up capabilities only: ")
    for name, kept in (("manager", 0), ("exporter", KEPT)):
        pid = daemon.child(name)
        assert status(pid)["Uid"].split()[0] == str(os.getuid())
        assert capabilities(pid) == {kept}
