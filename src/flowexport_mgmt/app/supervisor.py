"""The supervisor: starts, watches, joins, restarts and ends the children.

It reads nothing that a stranger sent. What it imports stays small on purpose: no asyncio, libyang,
numpy or SSH.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import signal
import socket
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from flowexport_mgmt.app.activation import Given
from flowexport_mgmt.app.broker import SocketBroker
from flowexport_mgmt.app.child import Child, describe_status
from flowexport_mgmt.app.folders import RUNNING_NAME, Hold, refused
from flowexport_mgmt.app.heart import Heart
from flowexport_mgmt.app.loop import Loop
from flowexport_mgmt.app.namespaces import NamespaceBroker
from flowexport_mgmt.app.privilege import Account
from flowexport_mgmt.app.rib_child import RibKeeper
from flowexport_mgmt.app.settings import ChildSettings
from flowexport_mgmt.errors import ExitCode, LinkError, StartError
from flowexport_mgmt.link import control
from flowexport_mgmt.observe import log
from flowexport_mgmt.observe.notify import Notifier

_TERMINATE_AFTER = 3.8
_KILL_AFTER = 4.8
"""Seconds from Stop to SIGTERM and to SIGKILL: all is over within five."""

_END_AFTER_CLOSE = 2.0
_JOIN_AFTER = 0.5
_RETRY_AFTER = 5.0
_AT_ONCE = 64
"""Messages that are taken from a child before others have their turn."""

_FINAL = frozenset(
    {ExitCode.UNEXPECTED, ExitCode.RESOURCE_MISSING, ExitCode.PERMISSION, ExitCode.CONFIGURATION}
)
"""Statuses with which a child has said why it cannot start, so that trying again is no use."""

_logger = logging.getLogger(__name__)


class Supervisor:
    """Runs the daemon on folders that are held already; ``account`` is whom children become.

    ``given`` are listening sockets that the service manager passed. ``manager``, ``exporter`` and
    ``rib`` are the modules that the children run.
    """

    def __init__(
        self,
        hold: Hold,
        account: Account | None = None,
        init: Path | None = None,
        *,
        given: Iterable[Given] = (),
        manager: str = "flowexport_mgmt.app.manager",
        exporter: str = "flowexport_mgmt.app.exporter",
        rib: str = "flowexport_mgmt.app.rib",
    ) -> None:
        self._hold = hold
        self._account = account
        self._init = init
        self._life = secrets.token_hex(8)
        self._loop = Loop()
        self._notifier = Notifier()
        owner = None if account is None else (account.uid, account.gid)
        self._broker = SocketBroker(hold.folders.socket, owner)
        self._broker.adopt(given)
        self._namespaces = NamespaceBroker(self._loop)
        self._exporter = Child("exporter", exporter, privileged=True)
        self._manager = Child("manager", manager)
        self._rib = RibKeeper(rib, self._manager, self._exporter)
        self._children = (self._manager, self._exporter)
        """Those that there always are."""
        self._heart = Heart(self._loop, self._notifier, self._end_still)
        self._logging: control.SetLogging | None = None
        self._joins = 0
        self._started = False
        self._stopping = False
        self._status = int(ExitCode.OK)

    def run(self) -> int:
        """Run until a signal or a child that cannot start ends the daemon; return its status."""
        signals: dict[int, Callable[[], None]] = {
            signal.SIGTERM: self._stop,
            signal.SIGINT: self._stop,
            signal.SIGHUP: self._reload,
            signal.SIGCHLD: self._reap,
        }
        try:
            with self._loop.signals(signals):
                self._start()
                self._loop.run(self._finished)
        finally:
            self._broker.close()
            self._rib.close()
            self._namespaces.close()
            self._loop.close()
        return self._status

    def _finished(self) -> bool:
        return self._stopping and not any(child.alive for child in self._all)

    @property
    def _all(self) -> tuple[Child, ...]:
        return (*self._children, self._rib.child)

    def _end_still(self, seconds: float) -> None:
        """End an exporter whose pipeline stands still; it is started again."""
        if not self._stopping:
            _logger.error("the exporter stands still for %.0f s and is ended", seconds)
            self._exporter.signal(signal.SIGKILL)

    # -- starting
    def _start(self) -> None:
        try:
            for child in self._children:
                self._spawn(child)
            self._join()
        except OSError as error:
            raise StartError(
                f"cannot start a process: {error.strerror}", ExitCode.RESOURCE_MISSING
            ) from error

    def _spawn(self, child: Child) -> None:
        ours, theirs = control.pair()
        with (
            self._open_init(child) as init,
            self._open_sockets(child) as sockets,
            self._rib.make_tables()
            if child is self._rib.child
            else contextlib.nullcontext() as shared,
        ):
            settings = ChildSettings(
                control=theirs.fileno(),
                folders=self._hold.folders,
                life=self._life,
                account=self._account,
                sockets=sockets,
                init=init,
                init_name=str(self._init or ""),
                tables=shared,
            )
            further = [each for each in (init, sockets, shared) if each is not None]
            inherit = [self._hold.children_lock, *further]
            child.spawn(ours, theirs, settings.arguments(), inherit)
        self._loop.watch(ours, partial(self._read, child))
        if self._logging is not None:
            child.tell(self._logging)
        if child is self._exporter:
            self._heart.expect()
            self._rib.hand_out_tables()

    @contextlib.contextmanager
    def _open_sockets(self, child: Child) -> Iterator[int | None]:
        """Make the socket by which the exporter asks for others."""
        if child is not self._exporter:
            yield None
            return
        with self._namespaces.renew() as theirs:
            yield theirs.fileno()

    @contextlib.contextmanager
    def _open_init(self, child: Child) -> Iterator[int | None]:
        """Open the first configuration for a manager that has none of its own yet."""
        wanted = child is self._manager and self._init is not None
        if not wanted or (self._hold.folders.state / RUNNING_NAME).exists():
            yield None
            return
        try:
            descriptor = os.open(str(self._init), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise refused(error, str(self._init)) from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _join(self) -> None:
        """Give both children fresh ends of the link between them."""
        self._joins += 1
        ends = socket.socketpair()
        for child, end in zip(self._children, ends, strict=True):
            with end:
                child.tell(control.NewLink(self._exporter.restarts), end.fileno())

    def _mend_rib_link(self, *, stuck: bool) -> None:
        if stuck:
            _logger.warning("the rib does not answer and is ended")
            self._rib.child.signal(signal.SIGKILL)
        elif self._rib.child.ready and not self._stopping:
            self._loop.call_later(_JOIN_AFTER, self._rib.join)

    def _want_rib(self, *, wanted: bool) -> None:
        """Start a rib process, or end the one there is."""
        rib = self._rib
        if wanted is rib.wanted or self._stopping:
            return
        rib.wanted = wanted
        if wanted and not rib.child.alive:
            self._restart(rib.child)
        elif not wanted:
            rib.dismiss()
            self._loop.call_later(
                _END_AFTER_CLOSE, partial(self._end, rib.child, rib.child.restarts)
            )

    def _mend_link(self, *, stuck: bool) -> None:
        """Join the children again, or end an exporter that answers no more.

        The usual reason is a child that has just died: its restart joins them anyway.
        """
        if stuck:
            _logger.warning("the exporter does not answer and is ended")
            self._exporter.signal(signal.SIGKILL)
        else:
            self._loop.call_later(_JOIN_AFTER, partial(self._join_unless_done, self._joins))

    def _join_unless_done(self, joins: int) -> None:
        if joins == self._joins and not self._stopping:
            self._join()

    def _restart(self, child: Child) -> None:
        is_rib = child is self._rib.child
        if self._stopping or (is_rib and (child.alive or not self._rib.wanted)):
            return
        try:
            self._spawn(child)
            if not is_rib:
                self._join()
            if child is not self._exporter:
                self._rib.join()
        except (OSError, StartError) as error:
            _logger.error("the %s cannot be started: %s", child.name, error)  # noqa: TRY400
            self._loop.call_later(_RETRY_AFTER, partial(self._restart, child))

    # -- what children say
    def _read(self, child: Child) -> None:
        try:
            for _ in range(_AT_ONCE):
                if child.control is None:
                    return
                received = control.receive(child.control, control.from_child)
                if received is None:
                    return
                message, passed = received
                if passed is not None:
                    passed.close()  # a child has nothing to give
                self._take(child, message)
        except LinkError as error:
            _logger.debug("%s: %s", child.name, error)
            self._drop_control(child)
            self._loop.call_later(_END_AFTER_CLOSE, partial(self._end, child, child.restarts))

    def _end(self, child: Child, restarts: int) -> None:
        """End a process that closed its control socket, or was told to end, and stayed."""
        if child.restarts == restarts:
            child.signal(signal.SIGKILL)

    def _take(self, child: Child, message: control.FromChild) -> None:
        match message:
            case control.Ready():
                self._take_ready(child)
            case control.Reloaded():
                self._notifier.ready()
            case control.Beat() if child is self._exporter:
                self._heart.beat()
            case control.Listen() if child is self._rib.child:
                self._listen(child, self._rib.broker, message)
            case control.Release() if child is self._rib.child:
                self._rib.broker.release(message.endpoint)
            case _ if child is not self._manager:
                _logger.warning("%s may not ask for %s", child.name, type(message).__name__)
            case _:
                self._take_wish(message)

    def _take_wish(self, message: control.FromChild) -> None:
        """Do what only the manager may ask for."""
        match message:
            case control.LinkLost(stuck=stuck, rib=True):
                self._mend_rib_link(stuck=stuck)
            case control.LinkLost(stuck=stuck):
                self._mend_link(stuck=stuck)
            case control.WantRib(wanted=wanted):
                self._want_rib(wanted=wanted)
            case control.Listen():
                self._listen(self._manager, self._broker, message)
            case control.Release():
                self._broker.release(message.endpoint)
            case control.SetLogging():
                self._set_logging(message)
            case control.Status(text=text):
                self._notifier.status(text)

    def _take_ready(self, child: Child) -> None:
        child.set_ready()
        if child is self._manager:
            self._broker.child_ready()
        elif child is self._rib.child:
            self._rib.broker.child_ready()
        if all(each.ready for each in self._children):
            if not self._started:
                _logger.info("started")
            self._started = True
            self._notifier.ready()

    def _listen(self, child: Child, broker: SocketBroker, message: control.Listen) -> None:
        try:
            listener = broker.listen(message.endpoint)
        except OSError as error:
            child.tell(control.Bound(message.request, error.errno or errno.EINVAL))
        else:
            child.tell(control.Bound(message.request), listener.fileno())

    def _set_logging(self, message: control.SetLogging) -> None:
        try:
            log.adjust(message.level, message.format)
        except (KeyError, ValueError):
            _logger.warning("there is no log level %s or format %s", message.level, message.format)
            return
        self._logging = message
        self._exporter.tell(message)
        self._rib.child.tell(message)

    # -- ending
    def _reap(self) -> None:
        for child in self._all:
            status = child.reap()
            if status is not None:
                self._take_end(child, status)

    def _take_end(self, child: Child, status: int) -> None:
        self._drop_control(child)
        if child is self._exporter:
            self._heart.pause()
        if child is self._manager:
            self._broker.child_gone()
        elif child is self._rib.child:
            self._rib.take_end()
        if self._stopping or (child is self._rib.child and not self._rib.wanted):
            return
        if child in self._children and not self._started and status in _FINAL:
            self._status = status
            self._stop()
            return
        delay = child.restart_delay()
        _logger.warning(
            "the %s %s; it is started again in %g s", child.name, describe_status(status), delay
        )
        self._loop.call_later(delay, partial(self._restart, child))

    def _drop_control(self, child: Child) -> None:
        if child.control is not None:
            self._loop.unwatch(child.control)
            child.control.close()
            child.control = None

    def _stop(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        self._notifier.stopping()
        for child in self._all:
            child.tell(control.Stop())
        self._loop.call_later(_TERMINATE_AFTER, partial(self._signal_all, signal.SIGTERM))
        self._loop.call_later(_KILL_AFTER, partial(self._signal_all, signal.SIGKILL))

    def _signal_all(self, number: signal.Signals) -> None:
        for child in self._all:
            if child.alive:
                _logger.warning("the %s does not end; sending %s", child.name, number.name)
                child.signal(number)

    def _reload(self) -> None:
        if self._started and not self._stopping:
            _logger.info("reloading")
            self._notifier.reloading()
            self._manager.tell(control.Reload())
