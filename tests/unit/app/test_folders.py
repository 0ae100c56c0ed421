from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from tests.support.processes import Program

from flowexport_mgmt.app import folders
from flowexport_mgmt.app.folders import Folders, Hold
from flowexport_mgmt.errors import ExitCode, StartError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def hold(state: Path, run: Path | None = None) -> Hold:
    return Hold(folders.choose(state, run))


def test_folders_are_made_for_the_owner_whatever_the_umask(state: Path) -> None:
    umask = os.umask(0o277)
    try:
        held = hold(state)
    finally:
        os.umask(umask)
    assert mode(state) == 0o700
    assert mode(state / "run") == 0o755
    assert (state / "run" / "supervisor.pid").read_text() == f"{os.getpid()}\n"
    held.close()
    assert not (state / "run" / "supervisor.pid").exists()


def test_they_can_be_held_again_after_they_were_let_go(state: Path) -> None:
    for _ in range(2):
        hold(state).close()


def test_the_run_folder_is_held_too(tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = hold(tmp_path / "a", run)
    with pytest.raises(StartError, match=f"the run folder {run} is in use") as caught:
        hold(tmp_path / "b", run)
    assert caught.value.code == ExitCode.RESOURCE_MISSING
    first.close()


HOLD_LOCK = """
import fcntl, sys, time
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
"""


def test_it_waits_for_the_children_of_a_killed_supervisor(state: Path) -> None:
    hold(state).close()
    with Program.python("-c", HOLD_LOCK, state / "children.lock", 0.5) as child:
        child.find("locked")
        hold(state).close()
        assert child.wait(5) == 0


def test_it_does_not_wait_for_them_for_ever(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_CHILDREN_PATIENCE", 0.1)
    hold(state).close()
    with Program.python("-c", HOLD_LOCK, state / "children.lock", 60) as child:
        child.find("locked")
        with pytest.raises(StartError, match="an earlier flowexportd that do not end"):
            hold(state)


def test_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert folders.choose(None, None) == Folders(
        Path("/var/lib/flowexport"), Path("/run/flowexport")
    )
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    home = tmp_path / ".local" / "state" / "flowexport"
    assert folders.choose(None, None) == Folders(home, home / "run")
    monkeypatch.setenv("XDG_STATE_HOME", "/xdg")
    assert folders.default_state() == Path("/xdg/flowexport")
    assert folders.choose(Path("/s"), Path("/r")).socket == Path("/r/netconf.sock")


def test_a_socket_path_that_is_too_long_is_refused_by_name(tmp_path: Path) -> None:
    run = tmp_path / ("x" * 100)
    with pytest.raises(StartError, match="107 octets at most; choose") as caught:
        hold(tmp_path / "state", run)
    assert caught.value.code == ExitCode.CONFIGURATION
    assert str(run / "netconf.sock") in str(caught.value)


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="file: Not a directory") as caught:
        hold(tmp_path / "file")
    assert caught.value.code == ExitCode.RESOURCE_MISSING
    with pytest.raises(StartError, match="Not a directory"):
        hold(tmp_path / "file" / "below")


@pytest.mark.root
def test_a_new_state_folder_is_given_away_with_all_that_is_in_it(state: Path) -> None:
    held = hold(state)
    (state / "history").mkdir()
    (state / "running.json").write_text("{}")
    (state / "history" / "1.json").hardlink_to(state / "running.json")  # as the datastore does
    (state / "link").symlink_to("/etc/hostname")
    owner = Path("/etc/hostname").stat().st_uid
    held.give_state_to(65534, 65534)
    held.close()
    assert {path.lstat().st_uid for path in (state, *state.rglob("*"))} == {65534}
    assert Path("/etc/hostname").stat().st_uid == owner
    again = hold(state)  # it is known as ours by its lock
    again.give_state_to(0, 0)
    again.close()
    assert {path.lstat().st_uid for path in (state, *state.rglob("*"))} == {0}


@pytest.mark.root
def test_a_file_with_a_name_elsewhere_stays_with_its_owner(state: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("")
    held = hold(state)
    (state / "hard").hardlink_to(precious)
    held.give_state_to(65534, 65534)
    held.close()
    assert precious.stat().st_uid == 0


@pytest.mark.root
def test_a_folder_that_was_there_before_is_not_given_away(state: Path) -> None:
    state.mkdir()
    (state / "somebody-elses").write_text("")
    held = hold(state)
    held.give_state_to(65534, 65534)
    held.close()
    assert state.stat().st_uid == 0


@pytest.mark.root
def test_a_folder_without_permission_is_refused_by_name(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    state = tmp_path / "state"
    command = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        sys.executable,
        "-m",
        "flowexport_mgmt.app.main",
        "--state-dir",
        str(state),
    ]
    with Program(command) as program:
        assert program.wait() == 77, program.output
        assert program.lines == [f"flowexportd: {state}: Permission denied"]
