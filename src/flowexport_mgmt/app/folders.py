"""The state folder and the run folder: where they are, whose they are, and who has them now.

Two locks stand in the state folder. The supervisor holds ``supervisor.lock`` alone, so a second
instance is refused. Its children inherit ``children.lock``: after a supervisor was killed, the
next one waits until they are gone, since they may still write there and listen.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections import Counter
from pathlib import Path
from typing import IO, NamedTuple

from flowexport_mgmt.errors import ExitCode, StartError
from flowexport_mgmt.link.listeners import SUN_PATH_MAX

SYSTEM_STATE = Path("/var/lib/flowexport")
SYSTEM_RUN = Path("/run/flowexport")
SOCKET_NAME = "netconf.sock"
RUNNING_NAME = "running.json"

_SUPERVISOR_LOCK = "supervisor.lock"
_CHILDREN_LOCK = "children.lock"
_PID_NAME = "supervisor.pid"
_CHILDREN_PATIENCE = 6.0
_PAUSE = 0.01


class Folders(NamedTuple):
    """Where state is kept and where sockets are."""

    state: Path
    run: Path

    @property
    def socket(self) -> Path:
        """The Unix socket of NETCONF."""
        return self.run / SOCKET_NAME

    @property
    def keys(self) -> list[Path]:
        """The key folders: one in the state folder, and the service manager's where it has one."""
        given = os.environ.get("CREDENTIALS_DIRECTORY")
        return [self.state / "tls", *([Path(given)] if given else [])]


def default_state() -> Path:
    """Return the state folder of this user: the system's for root."""
    if os.geteuid() == 0:
        return SYSTEM_STATE
    base = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification has relative paths ignored.
    parent = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return parent / "flowexport"


def choose(state: Path | None, run: Path | None) -> Folders:
    """Fill in the defaults and make both absolute."""
    state = (state or default_state()).absolute()
    run = run or (SYSTEM_RUN if state == SYSTEM_STATE else state / "run")
    return Folders(state, run.absolute())


class Hold:
    """Both folders, made where they were missing and locked against a second instance.

    Raises:
        StartError: a folder cannot be used, or another instance uses it.
    """

    def __init__(self, folders: Folders) -> None:
        if len(os.fsencode(folders.socket)) > SUN_PATH_MAX:
            raise StartError(
                f"{folders.socket}: the path of a socket may have {SUN_PATH_MAX} octets at most; "
                "choose a shorter --run-dir",
                ExitCode.CONFIGURATION,
            )
        self.folders = folders
        with contextlib.ExitStack() as stack:
            self._take(stack)
            self._stack = stack.pop_all()

    def _take(self, stack: contextlib.ExitStack) -> None:
        state, run = self.folders
        self._ours = _make(state, 0o700) or (state / _SUPERVISOR_LOCK).is_file()
        supervisor = stack.enter_context(_open_lock(state / _SUPERVISOR_LOCK))
        _lock_alone(supervisor, f"the state folder {state} is in use")
        self._children = stack.enter_context(_open_lock(state / _CHILDREN_LOCK))
        _lock_patiently(self._children, state)
        _make(run, 0o755)
        stack.enter_context(_take_pid_file(run))
        stack.callback((run / _PID_NAME).unlink, missing_ok=True)

    @property
    def children_lock(self) -> int:
        """The descriptor that every child must inherit."""
        return self._children.fileno()

    def give_state_to(self, uid: int, gid: int) -> None:
        """Make the state folder and what is in it belong to a user, if it is ours to give.

        A folder that was there before and holds no state of ours is left as it is, and so are
        files with a further name outside, which may be somebody else's.

        Raises:
            StartError: a file cannot be given away.
        """
        if not self._ours or self.folders.state.stat().st_uid == uid:
            return
        try:
            for path in _own_entries(self.folders.state):
                os.chown(path, uid, gid, follow_symlinks=False)
            os.chown(self.folders.state, uid, gid)  # last, so that a start cut short repeats it
        except OSError as error:
            raise refused(error, self.folders.state) from error

    def close(self) -> None:
        """Let the next instance have them."""
        self._stack.close()


def _own_entries(folder: Path) -> list[Path]:
    """List what is in a folder, less the files that have a further name elsewhere."""
    found = [(path, path.lstat()) for path in sorted(folder.rglob("*"))]
    names = Counter((status.st_dev, status.st_ino) for _, status in found)
    return [
        path
        for path, status in found
        if stat.S_ISDIR(status.st_mode) or names[status.st_dev, status.st_ino] == status.st_nlink
    ]


def _make(folder: Path, mode: int) -> bool:
    """Make a folder and say whether it is new or empty."""
    try:
        folder.mkdir(mode=mode, parents=True)
        folder.chmod(mode)  # whatever the umask took away
    except FileExistsError:
        return _is_empty(folder)
    except OSError as error:
        raise refused(error, folder) from error
    return True


def _is_empty(folder: Path) -> bool:
    try:
        return next(folder.iterdir(), None) is None
    except OSError as error:
        raise refused(error, folder) from error


def _open_lock(path: Path) -> IO[str]:
    try:
        return Path(path).open("a+", encoding="ascii")
    except OSError as error:
        raise refused(error, path) from error


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_alone(file: IO[str], complaint: str) -> None:
    if not _try_lock(file):
        file.seek(0)
        holder = file.read(20).strip()
        raise StartError(
            f"{complaint}: flowexportd runs already (process {holder or 'unknown'})",
            ExitCode.RESOURCE_MISSING,
        )
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()


def _lock_patiently(file: IO[str], state: Path) -> None:
    deadline = time.monotonic() + _CHILDREN_PATIENCE
    while not _try_lock(file):
        if time.monotonic() > deadline:
            raise StartError(
                f"the state folder {state} is in use by processes of an earlier flowexportd "
                "that do not end; see `ps -e | grep flowexport`",
                ExitCode.RESOURCE_MISSING,
            )
        time.sleep(_PAUSE)


def _take_pid_file(run: Path) -> IO[str]:
    """Lock and write the pid file, whatever an instance that is just ending does to it."""
    path = run / _PID_NAME
    while True:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(_open_lock(path))
            _lock_alone(file, f"the run folder {run} is in use")
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    stack.pop_all()
                    return file


def refused(error: OSError, path: Path | str) -> StartError:
    """Word a file that cannot be used, and choose the exit code."""
    denied = error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}
    code = ExitCode.PERMISSION if denied else ExitCode.RESOURCE_MISSING
    return StartError(f"{error.filename or path}: {error.strerror}", code)
