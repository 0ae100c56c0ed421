"""``flowexport``: arguments, where the lines come from, exit codes."""

from __future__ import annotations

import argparse
import enum
import importlib.metadata
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from flowexport_mgmt.cli.client import Client, NotReachedError, default_socket
from flowexport_mgmt.cli.commands import COMMANDS, Invocation, Operation, UsageError, parse
from flowexport_mgmt.cli.render import carry_out
from flowexport_mgmt.cli.values import Value, pick
from flowexport_mgmt.errors import ManagementError


class Exit(enum.IntEnum):
    """How the program ends."""

    OK = 0
    USAGE = 1
    REFUSED = 2
    NOT_REACHED = 3
    UNWELL = 4
    INTERRUPTED = 130


_EXITS: Final[Mapping[type[Exception], Exit]] = {
    UsageError: Exit.USAGE,
    ManagementError: Exit.REFUSED,
    NotReachedError: Exit.NOT_REACHED,
}


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(Exit.USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command lines of -c, of a file or of standard input; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None and options.file is None and sys.stdin.isatty():
        parser.print_help(sys.stderr)
        return Exit.USAGE
    try:
        return _run(_lines(options.command, options.file), options.socket or default_socket())
    except (UsageError, ManagementError, NotReachedError) as error:
        sys.stderr.write(f"{_words(error)}\n")
        return _EXITS[type(error)]
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # our reader has seen enough
        return Exit.OK
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


def _words(error: Exception) -> str:
    """Say what went wrong; every fault of a refusal on a line of its own."""
    return "\n".join(map(str, error.faults if isinstance(error, ManagementError) else (error,)))


def _run(lines: Iterable[str], socket: Path) -> int:
    """Carry out the lines in order over one session, opened when the first is known to be good."""
    with ExitStack() as stack:
        client, end = None, Exit.OK
        for line in lines:
            invocation = parse(line)
            if client is None:
                client = stack.enter_context(Client(socket))
            answer = carry_out(invocation, client)
            text = msgspec.json.format(msgspec.json.encode(answer), indent=2).decode()
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
            if _is_bad(invocation, answer):
                end = Exit.UNWELL
    return end


def _is_bad(invocation: Invocation, answer: Value) -> bool:
    """Tell whether an entry of the answer has the value that stands for failure."""
    action = invocation.command.action
    if not isinstance(action, Operation) or action.failure is None:
        return False
    name, value = action.failure
    return isinstance(answer, list) and any(pick(entry, name) == value for entry in answer)


def _lines(commands: Sequence[str] | None, file: str | None) -> Iterator[str]:
    if commands is not None:
        yield from commands
        return
    if file is None or file == "-":
        source: Iterable[str] = sys.stdin
    else:
        try:
            source = Path(file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    for line in source:
        if line.strip() and not line.lstrip().startswith("#"):
            yield line


def _parser() -> argparse.ArgumentParser:
    width = max(len(command.usage) for command in COMMANDS)
    listed = "\n".join(f"  {command.usage:{width}}  {command.help}" for command in COMMANDS)
    parser = _Arguments(
        prog="flowexport",
        description="Ask a running flowexportd. Answers are JSON.",
        epilog=f"commands:\n{listed}\n\nexit codes: 0 done, 1 wrong usage or unknown name, "
        "2 refused by the daemon, 3 daemon not reached, 4 doctor found an error",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("-c", dest="command", action="append", help="a command; may be repeated")
    source.add_argument("-f", dest="file", help="a file of commands, one a line (-: stdin)")
    parser.add_argument("--socket", type=Path, help="the daemon's Unix socket")
    version = importlib.metadata.version("flowexport-mgmt")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
