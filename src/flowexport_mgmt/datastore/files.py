"""What of the datastore is on disk: running.json, written so that a crash leaves old or new."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from flowexport_mgmt.datastore.record import CommitRecord
from flowexport_mgmt.errors import ExitCode, StartError
from flowexport_mgmt.observe import crash

HISTORY = 50
"""Commits that are kept."""

_QUICK = 0.005
"""Seconds that a write may keep an event loop waiting; a thread costs a tenth of a millisecond."""

_NO_LINKS = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK))

_BEFORE_WRITE = crash.declare("datastore.running.before-write")
_AFTER_WRITE = crash.declare("datastore.running.after-write")
_AFTER_FSYNC = crash.declare("datastore.running.after-fsync")
_AFTER_RENAME = crash.declare("datastore.running.after-rename")
_AFTER_FOLDER = crash.declare("datastore.running.after-folder-fsync")
_BEFORE_LINK = crash.declare("datastore.history.before-link")
_AFTER_LINK = crash.declare("datastore.history.after-link")
_AFTER_PRUNE = crash.declare("datastore.history.after-prune")


class Backup(NamedTuple):
    """What a rollback restores: a commit and its document in the form of RFC 7951."""

    record: CommitRecord
    document: bytes


class Stored(NamedTuple):
    """A configuration on disk, with the one to go back to while it waits to be confirmed."""

    record: CommitRecord
    document: bytes
    backup: Backup | None = None


class _Backup(msgspec.Struct):
    commit: CommitRecord
    configuration: msgspec.Raw


class _File(msgspec.Struct):
    commit: CommitRecord
    configuration: msgspec.Raw
    backup: _Backup | None = None


class _Head(msgspec.Struct):
    commit: CommitRecord


class StateFolder:
    """The folder of running.json and history/; both are made when something is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._history = folder / "history"
        self.running = folder / "running.json"
        self._temporary = folder / "running.json.new"
        self.holds: int | None = None
        """The number of the commit that running.json holds."""
        self._present: bytes | None = None
        self._kept: list[int] | None = None
        self._seconds = float("inf")

    def read(self) -> Stored | None:
        """Read running.json; None when there is none.

        Raises:
            StartError: it cannot be read, or is not what this program writes.
        """
        try:
            data = self.running.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            denied = isinstance(error, PermissionError)
            code = ExitCode.PERMISSION if denied else ExitCode.RESOURCE_MISSING
            raise StartError(f"{self.running}: {error.strerror}", code) from None
        try:
            file = msgspec.json.decode(data, type=_File)
        except msgspec.MsgspecError as error:
            raise self.unusable(str(error)) from None
        if file.commit.pending is not None and file.backup is None:
            raise self.unusable("an unconfirmed commit has nothing to go back to")
        self._present, self.holds = data, file.commit.id
        return Stored(file.commit, bytes(file.configuration), _take_backup(file))

    def unusable(self, reason: str) -> StartError:
        """Word why running.json cannot be used, and the way out; the file stays as it is."""
        ways = "move it away to start from --init FILE or without configuration"
        earlier = self._sound_entry()
        if earlier is not None:
            ways += f", or put an earlier one in its place, such as {earlier}"
        return StartError(
            f"{self.running} cannot be used: {reason}. It was left as it is; {ways}",
            ExitCode.CONFIGURATION,
        )

    @property
    def is_quick(self) -> bool:
        """Whether the latest write took so little time that an event loop can wait for the next."""
        return self._seconds < _QUICK

    def write(self, stored: Stored) -> None:
        """Replace running.json durably: on return the new one survives a crash.

        Raises:
            OSError: nothing was replaced.
        """
        begun = time.monotonic()
        try:
            self._write(_render(stored))
            self.holds = stored.record.id
        finally:
            self._seconds = time.monotonic() - begun

    def _write(self, data: bytes) -> None:
        self._replace(data)
        crash.point(_AFTER_RENAME)
        try:
            _fsync_folder(self._folder)
        except OSError:
            self._put_back()
            raise
        crash.point(_AFTER_FOLDER)
        self._present = data

    def _replace(self, data: bytes) -> None:
        temporary = self._temporary
        try:
            self._write_new(temporary, data)
            temporary.replace(self.running)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise

    def _put_back(self) -> None:
        """Undo a replacement that may not survive; the caller reports the error that led here."""
        with contextlib.suppress(OSError):
            if self._present is None:
                self.running.unlink()
            else:
                self._replace(self._present)

    def _write_new(self, path: Path, data: bytes) -> None:
        if self._present is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        crash.point(_BEFORE_WRITE)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(path, flags, 0o600), "wb", buffering=0) as file:  # noqa: PTH123 - a descriptor
            os.fchmod(file.fileno(), 0o600)
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            crash.point(_AFTER_WRITE)
            os.fsync(file.fileno())
        crash.point(_AFTER_FSYNC)

    # -- history

    def keep(self, record: CommitRecord) -> None:
        """Keep the present running.json as the entry of its commit, and drop the oldest entries.

        Raises:
            OSError: the entry could not be made.
        """
        crash.point(_BEFORE_LINK)
        self._link(self._entry(record.id))
        crash.point(_AFTER_LINK)
        kept = self._known()
        if record.id in kept:
            kept.remove(record.id)
        kept.append(record.id)
        while len(kept) > HISTORY:
            self._entry(kept.pop(0)).unlink(missing_ok=True)
        crash.point(_AFTER_PRUNE)

    def _link(self, entry: Path) -> None:
        try:
            _link(self.running, entry)
        except FileNotFoundError:  # the first of all
            self._history.mkdir(mode=0o700)
            _link(self.running, entry)
        except FileExistsError:
            if not entry.samefile(self.running):  # of a configuration that was moved away
                entry.unlink()
                _link(self.running, entry)

    def entry(self, number: int) -> Stored | None:
        """Read the entry of a commit; None when there is none that can be read."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            file = msgspec.json.decode(self._entry(number).read_bytes(), type=_File)
            return Stored(file.commit, bytes(file.configuration))
        return None

    def _known(self) -> list[int]:
        """Give the numbers of the kept commits; the folder is read once."""
        if self._kept is None:
            self._kept = self._entries()
        return self._kept

    def records(self) -> list[CommitRecord]:
        """Read the records of the kept commits, oldest first; what is unreadable is left out."""
        records = []
        for number in self._entries():
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                data = self._entry(number).read_bytes()
                record = msgspec.json.decode(data, type=_Head).commit
                records.append(msgspec.structs.replace(record, pending=None))
        return records

    @property
    def last_id(self) -> int:
        """The highest number of a kept commit; 0 when none is kept."""
        return max(self._entries(), default=0)

    def _sound_entry(self) -> Path | None:
        """Give the latest entry that can be read and is not running.json under another name."""
        for number in reversed(self._entries()):
            entry = self._entry(number)
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                msgspec.json.decode(entry.read_bytes(), type=_File)
                if not entry.samefile(self.running):
                    return entry
        return None

    def _entry(self, number: int) -> Path:
        return self._history / f"{number}.json"

    def _entries(self) -> list[int]:
        try:
            names = [path.stem for path in self._history.glob("*.json")]
        except OSError:
            return []
        return sorted(int(name) for name in names if name.isdecimal())


def _take_backup(file: _File) -> Backup | None:
    if file.backup is None:
        return None
    return Backup(file.backup.commit, bytes(file.backup.configuration))


def _render(stored: Stored) -> bytes:
    parts = [_member("commit", stored.record), b'"configuration":%b' % stored.document]
    if stored.backup is not None:
        record, document = stored.backup
        inside = b'%b,"configuration":%b' % (_member("commit", record), document)
        parts.append(b'"backup":{%b}' % inside)
    return b"{%b}\n" % b",".join(parts)


def _member(name: str, record: CommitRecord) -> bytes:
    return b'"%b":%b' % (name.encode(), msgspec.json.encode(record))


def _link(source: Path, target: Path) -> None:
    """Give a file a second name; copy it where the file system has no links."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copy2(source, target)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
