"""All commands, declared as data."""

from __future__ import annotations

from typing import Final

from flowexport_mgmt.cli.commands import listing, reading
from flowexport_mgmt.cli.commands.acting import collectors_do
from flowexport_mgmt.cli.commands.command import Argument, Command, Kind, Mode, Run
from flowexport_mgmt.cli.commands.monitoring import monitor
from flowexport_mgmt.cli.configure import committing, editing, mode

_CONFIGURATION: Final = frozenset(("configuration",))
_MONITOR: Final = frozenset(("monitor",))
_COLLECTORS: Final = "flow-export/collector"


def _one_collector(word: str, help_: str) -> Argument:
    return Argument(word=word, value="NAME", help=help_, entries=_COLLECTORS)


def _editing(word: str, help_: str, run: Run, *arguments: Argument) -> Command:
    """Declare a command of configure mode whose answer is a word or nothing."""
    return Command(
        words=(word,), help=help_, arguments=arguments, run=run, mode=Mode.CONFIGURE, pipes=False
    )


def _leaving(word: str, help_: str) -> Command:
    return Command(words=(word,), help=help_, run=mode.leave, mode=Mode.BOTH, pipes=False)


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
    _editing(
        "set",
        "set leaves, several of one entry on a line",
        editing.set_,
        Argument(value="PATH VALUE", kind=Kind.SETTINGS, required=True, help="what"),
    ),
    _editing(
        "delete",
        "delete a leaf, an entry or all that is in a place",
        editing.delete,
        Argument(value="PATH", kind=Kind.CONFIG, required=True, help="what"),
    ),
    _editing(
        "edit",
        "go to a place, where further paths begin",
        mode.edit,
        Argument(value="PATH", kind=Kind.CONFIG, required=True, help="where"),
    ),
    _editing(
        "up",
        "go up a level, or several",
        mode.up,
        Argument(value="N", kind=Kind.NUMBER, help="how many"),
    ),
    _editing("top", "go to the top", mode.top),
    Command(
        words=("show",),
        help="the candidate at this level",
        arguments=(Argument(value="PATH", kind=Kind.CONFIG, help="where"),),
        run=editing.show,
        reads=True,
        mode=Mode.CONFIGURE,
        only=_CONFIGURATION,
    ),
    _editing(
        "load",
        "read a file of brace text, set lines, JSON or XML into the candidate",
        editing.load,
        Argument(word="merge", kind=Kind.FLAG, help="on top of what is there"),
        Argument(word="replace", kind=Kind.FLAG, help="in place of what the file names"),
        Argument(word="override", kind=Kind.FLAG, help="instead of everything"),
        Argument(value="FILE", kind=Kind.FILE, required=True, help="'-': what is typed next"),
    ),
    _editing(
        "save",
        "write the candidate to a file; .json, .xml and .set in its name say the form",
        editing.save,
        Argument(value="FILE", kind=Kind.FILE, required=True, help="where to"),
    ),
    _editing("validate", "check the candidate", committing.validate),
    _editing(
        "commit",
        "make the candidate what runs",
        committing.commit,
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
    _editing(
        "confirm",
        "keep what a confirmed commit made",
        committing.confirm,
        Argument(value="TOKEN", help="that of persist"),
    ),
    _editing(
        "abort",
        "go back from a confirmed commit at once",
        committing.abort,
        Argument(value="TOKEN", help="that of persist"),
    ),
    _editing(
        "rollback",
        "make the candidate what ran N commits ago; 0 is what runs",
        committing.rollback,
        Argument(value="N", kind=Kind.NUMBER, required=True, help="how many back"),
    ),
    _editing("discard", "forget what was not committed", committing.discard),
)
BOTH: Final = (
    _leaving("exit", "go up to the top, out of configure mode, or out of the program"),
    _leaving("quit", "leave the mode, or the program"),
)
COMMANDS: Final = (*OPERATIONAL, *CONFIGURE, *BOTH)
RUN: Final = "run"
"""The word that has an operational command carried out in configure mode."""
