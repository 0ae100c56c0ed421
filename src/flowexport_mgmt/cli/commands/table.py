"""All commands, declared as data."""

from __future__ import annotations

from typing import Final

from flowexport_mgmt.cli.commands import listing, reading
from flowexport_mgmt.cli.commands.acting import collectors_do
from flowexport_mgmt.cli.commands.command import Argument, Command, Kind, Mode
from flowexport_mgmt.cli.commands.monitoring import monitor
from flowexport_mgmt.cli.configure import committing, editing, mode

_CONFIGURATION: Final = frozenset(("configuration",))
_MONITOR: Final = frozenset(("monitor",))
_COLLECTORS: Final = "flow-export/collector"


def _one_collector(word: str, help_: str) -> Argument:
    return Argument(word=word, value="NAME", help=help_, entries=_COLLECTORS)


OPERATIONAL: Final = (
    Command(
        words=("show", "flow-export"),
        help="the collectors and what was sent to them",
        arguments=(_one_collector("name", "only this collector"),),
        run=listing.COLLECTORS,
        needs=_COLLECTORS,
    ),
    Command(
        words=("show", "flow", "recent"),
        help="the latest flow records of connections, those to one prefix or all",
        arguments=(Argument(word="dst", value="PREFIX", help="only flows to this prefix"),),
        run=reading.show_recent_flows,
        needs="rpc recent-flows",
    ),
    Command(
        words=("show", "interfaces"),
        help="the interfaces of this host and their counters",
        arguments=(Argument(word="name", value="NAME", help="only this interface"),),
        run=listing.INTERFACES,
        needs="interfaces/interface",
    ),
    Command(
        words=("show", "sessions"),
        help="who is connected to the management doors",
        run=listing.SESSIONS,
        needs="server/sessions/session",
    ),
    Command(
        words=("show", "history"),
        help="the commits that are kept; rollback counts them back from the latest",
        run=listing.HISTORY,
        needs="server/history/commit",
    ),
    Command(
        words=("show", "configuration"),
        help="the running configuration, or a part of it",
        arguments=(Argument(value="PATH", kind=Kind.CONFIG, help="where"),),
        run=reading.show_configuration,
        reads=True,
        only=_CONFIGURATION,
    ),
    Command(
        words=("show",),
        help="any part of the configuration and state",
        arguments=(Argument(value="PATH", kind=Kind.DATA, required=True, help="where"),),
        run=reading.show_data,
        reads=True,
    ),
    Command(
        words=("monitor",),
        help="a part of the configuration and state, again and again",
        arguments=(
            Argument(value="PATH", kind=Kind.DATA, required=True, help="where"),
            Argument(
                word="interval", value="SECONDS", kind=Kind.NUMBER, help="between two readings"
            ),
            Argument(word="count", value="N", kind=Kind.NUMBER, help="end after so many"),
        ),
        run=monitor,
        reads=True,
        only=_MONITOR,
    ),
    Command(
        words=("doctor",),
        help="what keeps this host from exporting, and what mends it",
        run=reading.doctor,
        needs="rpc doctor",
    ),
    Command(
        words=("clear", "statistics"),
        help="begin the counts of the collectors anew",
        arguments=(_one_collector("collector", "only those of this collector"),),
        run=collectors_do("clear-statistics"),
        needs=f"{_COLLECTORS}/clear-statistics",
        pipes=False,
    ),
    Command(
        words=("export", "now"),
        help="send counters to the collectors without waiting for the next poll",
        arguments=(_one_collector("collector", "only to this collector"),),
        run=collectors_do("export-now"),
        needs=f"{_COLLECTORS}/export-now",
        pipes=False,
    ),
    Command(
        words=("configure",),
        help="enter configure mode",
        arguments=(
            Argument(word="exclusive", kind=Kind.FLAG, help="keep everybody else from editing"),
        ),
        run=mode.configure,
        pipes=False,
    ),
)
CONFIGURE: Final = (
    Command(
        words=("set",),
        help="set leaves, several of one entry on a line",
        arguments=(Argument(value="PATH VALUE", kind=Kind.SETTINGS, required=True, help="what"),),
        run=editing.set_,
        mode=Mode.CONFIGURE,
        pipes=False,
    ),
    Command(
        words=("delete",),
        help="delete a leaf, an entry or all that is in a place",
        arguments=(Argument(value="PATH", kind=Kind.CONFIG, required=True, help="what"),),
        run=editing.delete,
        mode=Mode.CONFIGURE,
        pipes=False,
    ),
    Command(
        words=("edit",),
        help="go to a place, where further paths begin",
        arguments=(Argument(value="PATH", kind=Kind.CONFIG, required=True, help="where"),),
        run=mode.edit,
        mode=Mode.CONFIGURE,
        pipes=False,
    ),
    Command(
        words=("up",),
        help="go up a level, or several",
        arguments=(Argument(value="N", kind=Kind.NUMBER, help="how many"),),
        run=mode.up,
        mode=Mode.CONFIGURE,
        pipes=False,
    ),
    Command(
        words=("top",),
        help="go to the top",
        run=mode.top,
        mode=Mode.CONFIGURE,
        pipes=False,
    ),
    Command(
        words=("show",),
        help="the candidate at this level",
        arguments=(Argument(value="PATH", kind=Kind.CONFIG, help="where"),),
        run=editing.show,
        reads=True,
        mode=Mode.CONFIGURE,
        only=_CONFIGURATION,
    ),
    Command(
        words=("load",),
        help="read a file of brace text, set lines, JSON or XML into the candidate",
        arguments=(
            Argument(word="merge", kind=Kind.FLAG, help="on top of what is there"),
            Argument(word="replace", kind=Kind.FLAG, help="in place of what the file names"),
            Argument(word="override", kind=Kind.FLAG, help="instead of everything"),
            Argument(value="FILE", kind=Kind.FILE, required=True, help="'-': what is typed next"),
        ),
        run=editing.load,
        mode=Mode.CONFIGURE,
        pipes=False,
    ),
    Command(
        words=("save",),
        help="write the candidate to a file; .json, .xml and .set in its name say the form",
        arguments=(Argument(value="FILE", kind=Kind.FILE, required=True, help="where to"),),
        run=editing.save,
        mode=Mode.CONFIGURE,
        pipes=False,
    ),
    Command(
        words=("validate",),
        help="check the candidate",
        run=committing.validate,
        mode=Mode.CONFIGURE,
        pipes=False,
    ),
    Command(
        words=("commit",),
        help="make the candidate what runs",
        arguments=(
            Argument(word="comment", value="TEXT", help="why, for the history"),
            Argument(
                word="confirmed",
                value="SECONDS",
                kind=Kind.NUMBER,
                value_optional=True,
                help="go back unless it is confirmed in time",
            ),
            Argument(word="persist", value="TOKEN", help="with confirmed: outlive this session"),
            Argument(word="check", kind=Kind.FLAG, help="only try whether it is possible"),
        ),
        run=committing.commit,
        mode=Mode.CONFIGURE,
        pipes=False,
    ),
    Command(
        words=("confirm",),
        help="keep what a confirmed commit made",
        arguments=(Argument(value="TOKEN", help="that of persist"),),
        run=committing.confirm,
        mode=Mode.CONFIGURE,
        pipes=False,
    ),
    Command(
        words=("abort",),
        help="go back from a confirmed commit at once",
        arguments=(Argument(value="TOKEN", help="that of persist"),),
        run=committing.abort,
        mode=Mode.CONFIGURE,
        pipes=False,
    ),
    Command(
        words=("rollback",),
        help="make the candidate what ran N commits ago; 0 is what runs",
        arguments=(Argument(value="N", kind=Kind.NUMBER, required=True, help="how many back"),),
        run=committing.rollback,
        mode=Mode.CONFIGURE,
        pipes=False,
    ),
    Command(
        words=("discard",),
        help="forget what was not committed",
        run=committing.discard,
        mode=Mode.CONFIGURE,
        pipes=False,
    ),
)
BOTH: Final = (
    Command(
        words=("exit",),
        help="go up to the top, out of configure mode, or out of the program",
        run=mode.leave,
        mode=Mode.BOTH,
        pipes=False,
    ),
    Command(
        words=("quit",),
        help="leave the mode, or the program",
        run=mode.leave,
        mode=Mode.BOTH,
        pipes=False,
    ),
)
COMMANDS: Final = (*OPERATIONAL, *CONFIGURE, *BOTH)
RUN: Final = "run"
"""The word that has an operational command carried out in configure mode."""
