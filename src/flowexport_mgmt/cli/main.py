"""``flowexport``: arguments, where the lines come from, exit codes.

What people need (a line editor, completion) and what only remote hosts need is loaded only for
them, so that a command in a script starts quickly.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NoReturn

from flowexport_mgmt.cli.commands.table import BOTH, CONFIGURE, OPERATIONAL
from flowexport_mgmt.cli.configure.mode import note_pending
from flowexport_mgmt.cli.grammar.words import UsageError
from flowexport_mgmt.cli.interpreter import FAILURES, Exit, execute, exit_of, is_empty, words_of
from flowexport_mgmt.cli.operator import Operator
from flowexport_mgmt.cli.session.session import Session
from flowexport_mgmt.cli.session.unix import UnixSession, default_socket


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(Exit.USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the lines of -c, of a file or of standard input, or talk; return the exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.version:
        return _show_version()
    talk = options.command is None and options.file is None and sys.stdin.isatty()
    if options.host is None and (options.port or options.user or options.identity):
        parser.error("--port, --user and --identity are for --host")
    operator = Operator(_connector(options, may_ask=talk))
    try:
        if talk:
            return _talk(operator, meanwhile=options.host is None)
        return run_lines(_lines(options.command, options.file), operator)
    except FAILURES as error:
        sys.stderr.write(f"{words_of(error)}\n")
        return exit_of(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # our reader has seen enough
        return Exit.OK
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    finally:
        operator.close()


def _talk(operator: Operator, *, meanwhile: bool) -> int:
    """Begin a dialog; ``meanwhile`` the daemon answers while the line editor is loaded."""
    greeting = Greeting(operator)
    if meanwhile:
        greeting.start()
    from flowexport_mgmt.cli.shell.shell import run_shell  # noqa: PLC0415

    if not meanwhile:
        greeting.run()
    greeting.finish()
    return run_shell(operator)


class Greeting(threading.Thread):
    """The first words with a daemon: the session, the schema, and what waits to be confirmed."""

    def __init__(self, operator: Operator) -> None:
        super().__init__(daemon=True)
        self._operator = operator
        self._failure: Exception | None = None

    def run(self) -> None:
        """Exchange them; a failure is kept for :meth:`finish`."""
        try:
            note_pending(self._operator)
        except FAILURES as error:
            self._failure = error

    def finish(self) -> None:
        """Wait for the end of it.

        Raises:
            NotReachedError: there is no daemon; or as the session says.
        """
        if self.ident is not None:
            self.join()
        if self._failure is not None:
            raise self._failure


def _show_version() -> int:
    from importlib.metadata import version  # noqa: PLC0415 - slow, and no other line needs it

    sys.stdout.write(f"flowexport {version('flowexport-mgmt')}\n")
    return Exit.OK


def run_lines(lines: Iterable[str], operator: Operator) -> int:
    """Carry out the lines in order over one session; the first failure ends the run."""
    end = int(Exit.OK)
    operator.terminal.write = sys.stdout.write
    operator.terminal.flush = sys.stdout.flush
    for line in lines:
        if is_empty(line):
            continue
        end = execute(operator, line) or end
        if operator.ended:
            break
    return end


def _connector(options: argparse.Namespace, *, may_ask: bool) -> Callable[[], Session]:
    """Say how sessions are opened."""
    if options.host is None:
        path = options.socket or default_socket()
        return lambda: UnixSession(path)

    def connect() -> Session:
        from flowexport_mgmt.cli.session.ssh import Remote, SshSession  # noqa: PLC0415

        remote = Remote(
            host=options.host,
            port=options.port or 830,
            user=options.user,
            identity=options.identity,
        )
        return SshSession(remote, ask_password=may_ask)

    return connect


def _lines(commands: Sequence[str] | None, file: str | None) -> Iterator[str]:
    if commands is not None:
        yield from commands
    elif file is None or file == "-":
        yield from sys.stdin
    else:
        try:
            yield from Path(file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{file}: {getattr(error, 'strerror', None) or error}") from error


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = _Arguments(
        prog="flowexport",
        description="Manage a running flowexportd: without -c and -f interactively.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("-c", dest="command", action="append", help="a command; may be repeated")
    source.add_argument("-f", dest="file", help="a file of commands, one a line (-: stdin)")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--socket", type=Path, help="the daemon's Unix socket")
    place.add_argument("--host", help="a daemon elsewhere, by NETCONF over SSH")
    parser.add_argument("--port", type=int, help="its port (830)")
    parser.add_argument("--user", help="who logs in there (you)")
    parser.add_argument("--identity", help="the file of a private key")
    parser.add_argument("--version", action="store_true", help="say which version this is and end")
    return parser


_CODES: Final = (
    "exit codes: 0 done, 1 wrong usage or unknown name, 2 refused by the daemon, "
    "3 daemon not reached, 4 doctor found an error"
)


def _epilog() -> str:
    known = (*OPERATIONAL, *CONFIGURE, *BOTH)
    listed = "\n".join(f"  {command.usage}\n      {command.help}" for command in known)
    return f"commands:\n{listed}\n\n{_CODES}"


if __name__ == "__main__":
    sys.exit(main())
