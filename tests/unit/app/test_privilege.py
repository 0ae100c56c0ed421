from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tests.support.processes import Program

from flowexport_mgmt.app import privilege
from flowexport_mgmt.app.privilege import Account

NOBODY = Account("nobody", 65534, 65534)
CONFINE = """
import sys
from flowexport_mgmt.app import privilege
name, keep = sys.argv[1:]
account = privilege.Account(name, 65534, 65534) if name else None
privilege.confine(account, frozenset(int(number) for number in keep.split()))
wanted = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")
for line in open("/proc/self/status"):
    if line.split(":")[0] in wanted:
        print(line.strip().replace("\\t", " "))
"""
NET_ADMIN = "0000000000001000"
NOTHING = "0000000000000000"


def confined(account: str, keep: str) -> dict[str, str]:
    with Program.python("-c", CONFINE, account, keep) as program:
        assert program.wait() == 0, program.output
        return {
            name: rest.strip() for name, _, rest in (line.partition(":") for line in program.lines)
        }


@pytest.mark.root
@pytest.mark.parametrize(("account", "uid"), [("nobody", "65534"), ("", "0")])
@pytest.mark.parametrize(("keep", "held"), [("12", NET_ADMIN), ("", NOTHING)])
def test_root_becomes_the_account_with_only_what_it_keeps(
    account: str, uid: str, keep: str, held: str
) -> None:
    status = confined(account, keep)
    assert status["Uid"].split() == [uid] * 4
    assert status["Gid"].split() == [uid] * 4
    if account:
        assert status["Groups"] == "65534"
    assert {status[name] for name in ("CapPrm", "CapEff", "CapBnd")} == {held}
    assert {status[name] for name in ("CapInh", "CapAmb")} == {NOTHING}
    assert status["NoNewPrivs"] == "1"


@pytest.mark.root
def test_ambient_capabilities_of_a_plain_user_are_given_up() -> None:
    """As under systemd with User= and AmbientCapabilities=."""
    with Program(
        [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--inh-caps=+net_admin,+net_raw",
            "--ambient-caps=+net_admin,+net_raw",
            sys.executable,
            "-c",
            CONFINE,
            "",
            "12",
        ]
    ) as program:
        assert program.wait() == 0, program.output
        assert f"CapEff: {NET_ADMIN}" in program.lines
        assert f"CapAmb: {NOTHING}" in program.lines


@pytest.mark.root
def test_reach_is_judged_as_the_account(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.geteuid() and parent.name:
            parent.chmod(parent.stat().st_mode | 0o011)
    public, private = tmp_path / "public", tmp_path / "private"
    public.mkdir(mode=0o755)
    private.mkdir(mode=0o700)
    (private / "inner").mkdir(mode=0o777)
    assert privilege.can_reach(NOBODY, [public])
    assert not privilege.can_reach(NOBODY, [public], write=True)
    assert not privilege.can_reach(NOBODY, [public, private / "inner"])
    os.chown(private, NOBODY.uid, NOBODY.gid)
    assert privilege.can_reach(NOBODY, [private], write=True)


def test_accounts_are_found_by_name() -> None:
    found = privilege.find_account("nobody")
    assert found == NOBODY
    assert privilege.find_account("no-such-user-here") is None


def test_the_program_is_what_runs_here() -> None:
    paths = privilege.program_paths()
    assert Path(sys.executable) in paths
    assert Path(privilege.__file__).resolve().parent.parent in paths
