"""Groups: subscribers with the same terms, for whom everything is read and written once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

from flowexport_mgmt.datastore import ConfigurationChanged, Datastore, Session
from flowexport_mgmt.datastore.changes import touches
from flowexport_mgmt.north.gnmi.messages import Mode
from flowexport_mgmt.north.gnmi.reading import Reader, Reading
from flowexport_mgmt.north.gnmi.subscribe.rows import (
    Batch,
    Deletion,
    Key,
    Leaves,
    Rows,
    Told,
    Update,
    Writer,
    changed,
    once_each,
    read_rows,
    removed,
    time_of,
)
from flowexport_mgmt.north.gnmi.subscribe.terms import Class, Terms, Wanted
from flowexport_mgmt.observe.log import LimitedLogger
from flowexport_mgmt.schema.on_request import special_paths

_log = LimitedLogger(logging.getLogger(__name__))

_SECOND: Final = 1_000_000_000
_LOOK: Final = _SECOND
"""How often state is looked at that changes without an event."""
_BREATH: Final = 20_000_000
"""The least time between two looks, however much happens."""
_RIGHTS: Final = "/nacm"
"""What else decides what a subscriber sees."""
_SLICE: Final = 64
"""Rows that are sent at once; the others follow later in the interval."""
_SLICES: Final = 10


class Subscriber(Protocol):
    """Someone for whom messages are queued."""

    @property
    def session(self) -> Session:
        """By whose rights is read."""

    def put(self, source: int, told: Told) -> None:
        """Queue a message."""


class Follower:
    """Follows one subscription of a list: what was told of it, and when the next look is due."""

    def __init__(self, index: int, wanted: Wanted, now: int) -> None:
        self.index = index
        self.wanted = wanted
        self.rows: Rows = {}
        self.sample_at = _next(now, wanted.interval)
        self.beat_at = _next(now, wanted.heartbeat)
        self.look_at = 0
        self.watches = wanted.mode is not Mode.SAMPLE
        if self.watches and wanted.has_state:
            self.look_at = now + _LOOK

    @property
    def due(self) -> int:
        """When something has to be done next, in nanoseconds of CLOCK_MONOTONIC; 0 is never."""
        times = [time for time in (self.sample_at, self.beat_at, self.look_at) if time]
        return min(times, default=0)

    def note(self, event: object, now: int) -> bool:
        """Tell whether an event is a reason to look, and see that it is done soon."""
        if not self.watches:
            return False
        if isinstance(event, ConfigurationChanged):
            if not touches(event.changes, (*self.wanted.paths, _RIGHTS)):
                return False
        elif not self.wanted.has_state:
            return False
        soon = now + _BREATH
        self.look_at = min(self.look_at, soon) if self.look_at else soon
        return True

    def choose(self, now: int) -> tuple[frozenset[Class], bool]:
        """Tell which rows are told though they have not changed, and set the next times.

        The second is whether what changed is told.
        """
        wanted = self.wanted
        repeated: set[Class] = set()
        if self.beat_at and self.beat_at <= now:
            self.beat_at = _next(now, wanted.heartbeat)
            repeated.update(Class)
        sampled = bool(self.sample_at) and self.sample_at <= now
        if sampled:
            self.sample_at = _next(now, wanted.interval)
            if wanted.mode is Mode.TARGET_DEFINED:
                repeated.add(Class.COUNTER)
            elif not wanted.suppress:
                repeated.update(Class)
        looked = bool(self.look_at) and self.look_at <= now
        if looked:
            self.look_at = now + _LOOK if wanted.has_state else 0
        return frozenset(repeated), sampled or looked

    def compare(
        self, new: Rows, repeated: frozenset[Class], *, watching: bool
    ) -> Iterator[tuple[Key, Leaves]]:
        """Give what has to be told of the new rows."""
        for key, leaves in new.items():
            if key[1] in repeated:
                yield key, leaves
            elif watching and (not self.watches or key[1] is not Class.COUNTER):
                if news := changed(self.rows.get(key), leaves):
                    yield key, news
            elif key not in self.rows:
                yield key, leaves


def _next(now: int, interval: int) -> int:
    """Give the next time on the grid of an interval, which is the same for all; 0 without one."""
    return (now // interval + 1) * interval if interval else 0


class Group:
    """Reads for all of its subscribers, as often as the terms say, while there is one.

    Args:
        datastore: for its schema.
        reader: what reads.
        terms: what all of them asked for.
        on_empty: called when the last one has left.
    """

    def __init__(
        self, datastore: Datastore, reader: Reader, terms: Terms, on_empty: Callable[[], None]
    ) -> None:
        self._schema = datastore.schema
        self._reader = reader
        self._terms = terms
        self._on_empty = on_empty
        self._subscribers: dict[Subscriber, None] = {}
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._later: set[asyncio.TimerHandle] = set()
        self._not_before = 0
        self._initial: Batch | None = None
        self._initial_at = 0
        now = time.monotonic_ns()
        self._followers = [Follower(i, wanted, now) for i, wanted in enumerate(terms.wanted)]
        self.writer = Writer(terms)

    async def join(self, subscriber: Subscriber) -> Batch:
        """Take a subscriber in; give what there is, which it has to be sent before its messages."""
        async with self._lock:
            now = time.monotonic_ns()
            initial = self._initial
            if initial is None or now - self._initial_at > _LOOK:
                self._initial = initial = await self._begin(subscriber.session)
                self._initial_at = now
            self._subscribers[subscriber] = None
            if self._task is None:
                self._task = asyncio.create_task(self._run())
            return initial

    async def _begin(self, session: Session) -> Batch:
        """Read and write everything; those who come together share it."""
        rows = (
            (key, leaves, reading)
            for follower, reading in await self._read(self._followers, session)
            for key, leaves in self._catch_up(follower, reading).items()
        )
        return Batch(
            self.writer.update(key, leaves, time_of(key, reading), keep=True)
            for key, leaves, reading in (once_each(rows) if len(self._followers) > 1 else rows)
        )

    def leave(self, subscriber: Subscriber) -> None:
        """Let a subscriber go."""
        self._subscribers.pop(subscriber, None)
        if not self._subscribers and not self._lock.locked():
            self.stop()

    def stop(self) -> None:
        """Do nothing any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        for timer in self._later:
            timer.cancel()
        self._on_empty()

    def note(self, event: object) -> None:
        """Look at what has changed if an event gives reason to."""
        now = time.monotonic_ns()
        concerned = [follower for follower in self._followers if follower.note(event, now)]
        if concerned:
            self._wake.set()

    # -- the loop

    async def _run(self) -> None:
        while True:
            await self._sleep()
            now = time.monotonic_ns()
            due = [follower for follower in self._followers if 0 < follower.due <= now]
            if not due:
                continue
            async with self._lock:
                if not self._subscribers:
                    break
                try:
                    await self._look(due, now)
                    self._rest(now)
                except Exception as error:  # noqa: BLE001 - the next look may be luckier
                    reason = f"{type(error).__name__}: {error}"
                    _log.log(logging.ERROR, reason, "gNMI: nothing can be read: %s", reason)
        self._task = None
        self.stop()

    def _rest(self, began: int) -> None:
        """See that no look follows at once: others have work to do too."""
        now = time.monotonic_ns()
        self._not_before = now + (now - began)

    async def _sleep(self) -> None:
        self._wake.clear()
        times = [follower.due for follower in self._followers if follower.due]
        now = time.monotonic_ns()
        if self._not_before > now:
            await asyncio.sleep((self._not_before - now) / _SECOND)
        delay = (min(times) - time.monotonic_ns()) / _SECOND if times else None
        if delay is not None and delay <= 0:
            return
        try:
            async with asyncio.timeout(delay):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _look(self, due: Iterable[Follower], now: int) -> None:
        self._initial = None  # who begins with it would not be told what changes now
        session = next(iter(self._subscribers)).session
        for follower, reading in await self._read(due, session):
            repeated, watching = follower.choose(now)
            self._tell_changes(follower, reading, repeated, watching=watching)

    async def _read(
        self, followers: Iterable[Follower], session: Session
    ) -> list[tuple[Follower, Reading]]:
        """Read once for all that need state, and take running for the others.

        Those who ask for lists that are told only to who names them have a reading of their own.
        """
        found: list[tuple[Follower, Reading]] = []
        common: list[Follower] = []
        for follower in followers:
            if not follower.wanted.has_state:
                found.append((follower, self._reader.configuration(session)))
            elif special_paths(follower.wanted.paths, self._schema.on_request):
                found.append((follower, await self._operational([follower], session)))
            else:
                common.append(follower)
        if common:
            state = await self._operational(common, session)
            found += [(follower, state) for follower in common]
        return found

    async def _operational(self, followers: Sequence[Follower], session: Session) -> Reading:
        paths = dict.fromkeys(path for each in followers for path in each.wanted.paths)
        whole = any(each.wanted.has_configuration for each in followers)
        return await self._reader.operational(session, tuple(paths), whole=whole)

    def _catch_up(self, follower: Follower, reading: Reading) -> Rows:
        """Bring those who are told changes up to date, before another one begins with them."""
        if follower.watches or not follower.rows:
            return self._tell_changes(follower, reading, frozenset(), watching=True)
        return read_rows(self._schema, self._terms, follower.wanted, reading)

    def _tell_changes(
        self, follower: Follower, reading: Reading, repeated: frozenset[Class], *, watching: bool
    ) -> Rows:
        """Queue what is to be told of a reading, and remember it."""
        new = read_rows(self._schema, self._terms, follower.wanted, reading)
        index = follower.index
        for instance in removed(follower.wanted, follower.rows, new):
            is_set = instance[-1].schema.config
            when = reading.committed if is_set else reading.collected
            self._put(index, self.writer.deletion(instance, when))
        self.writer.forget(follower.rows.keys() - new.keys())
        if self._subscribers:
            news = follower.compare(new, repeated, watching=watching)
            told = [
                self.writer.update(key, leaves, time_of(key, reading), keep=leaves is new[key])
                for key, leaves in news
            ]
            self._spread(follower, told)
        follower.rows = new
        return new

    def _spread(self, follower: Follower, told: Sequence[Update]) -> None:
        """Queue messages: many of them in slices that are spread over half of the interval."""
        if len(told) <= _SLICE or not follower.wanted.interval:
            self._send(follower.index, told)
            return
        size = max(_SLICE, -(-len(told) // _SLICES))
        gap = follower.wanted.interval / _SECOND / 2 / _SLICES
        loop = asyncio.get_running_loop()
        self._later = {timer for timer in self._later if timer.when() > loop.time()}
        for turn, start in enumerate(range(0, len(told), size)):
            part = told[start : start + size]
            if turn == 0:
                self._send(follower.index, part)
            else:
                timer = loop.call_later(turn * gap, self._send, follower.index, part)
                self._later.add(timer)

    def _send(self, index: int, told: Sequence[Update]) -> None:
        if told:
            self._put(index, Batch(told))

    def _put(self, index: int, told: Batch | Deletion) -> None:
        for subscriber in tuple(self._subscribers):
            subscriber.put(index, told)
