"""The dialog: lines are read with completion and help, carried out, and answered."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.shortcuts import CompleteStyle

from flowexport_mgmt.cli.commands.expecting import expanded, expect, spelled_out
from flowexport_mgmt.cli.commands.lines import read_line
from flowexport_mgmt.cli.configure.mode import note_pending
from flowexport_mgmt.cli.grammar.words import WordError
from flowexport_mgmt.cli.interpreter import FAILURES, execute, is_empty, scene_of, words_of
from flowexport_mgmt.cli.operator import Operator
from flowexport_mgmt.cli.shell.completing import LineCompleter, unfinished
from flowexport_mgmt.cli.shell.describing import help_lines
from flowexport_mgmt.cli.shell.history import LineHistory, history_file
from flowexport_mgmt.cli.shell.known import Known
from flowexport_mgmt.cli.shell.prompt import prompt_text

_PAGER: Final = ("less", "-FRX")


def run_shell(operator: Operator) -> int:
    """Talk until the user leaves; return the exit code. There is a daemon to begin with."""
    operator.strict = False
    terminal = operator.terminal
    terminal.interactive = True
    terminal.width = lambda: shutil.get_terminal_size().columns
    terminal.page = _page
    terminal.ask = _ask
    Shell(operator).run()
    return 0


class Shell:
    """One dialog."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        known = Known(operator)
        self._session: PromptSession[str] = PromptSession(
            message=self._message,
            completer=LineCompleter(operator, known),
            complete_while_typing=False,
            complete_in_thread=False,
            complete_style=CompleteStyle.READLINE_LIKE,
            history=LineHistory(history_file(), self.is_secret),
            key_bindings=self._bindings(),
            refresh_interval=0.5,
            enable_history_search=True,
        )

    def run(self) -> None:
        """Read and carry out lines."""
        while not self._operator.ended:
            try:
                line = self._session.prompt()
            except KeyboardInterrupt:
                continue
            except EOFError:
                break
            for single in line.splitlines():
                self.carry_out(single)

    def carry_out(self, line: str) -> None:
        """Carry out a line; what goes wrong is said, and the dialog goes on."""
        if is_empty(line) or self._operator.ended:
            return
        try:
            execute(self._operator, line)
        except FAILURES as error:
            sys.stdout.flush()
            self._operator.terminal.note(f"{words_of(error)}\n")
        except KeyboardInterrupt:
            self._operator.terminal.note("interrupted\n")

    def _message(self) -> str:
        self._look_at_deadline()
        return prompt_text(self._operator)

    def _look_at_deadline(self) -> None:
        """Ask what became of a confirmed commit when its time is over."""
        if self._operator.remaining != 0:
            return
        try:
            note_pending(self._operator)
        except FAILURES:
            return
        if self._operator.deadline is None:
            self._operator.edits += 1
            run_in_terminal(lambda: print("The commit was not confirmed: it is rolled back."))  # noqa: T201

    def is_secret(self, line: str) -> bool:
        """Tell whether a line holds a value that is never shown."""
        try:
            scene = scene_of(self._operator)
            invocation = read_line(expanded(line, scene), scene)
        except FAILURES:
            return "password" in line or "$0$" in line
        return any(setting.path[-1].node.hints.secret for setting in invocation.settings)

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()

        @bindings.add("?")
        def _(event: KeyPressEvent) -> None:
            self._help(event)

        return bindings

    def _help(self, event: KeyPressEvent) -> None:
        """Show help below the line and leave that as it is; in quotes it is a character."""
        line = event.current_buffer.document.text_before_cursor
        try:
            lines = self.help(line)
        except WordError:
            event.current_buffer.insert_text("?")
            return
        except FAILURES as error:
            lines = [words_of(error)]
        run_in_terminal(lambda: print(f"{prompt_text(self._operator)}{line}?\n" + "\n".join(lines)))  # noqa: T201

    def help(self, line: str) -> list[str]:
        """Say what may follow a line.

        Raises:
            WordError: a quote is open.
        """
        parts, word = unfinished(line)
        scene = scene_of(self._operator)
        try:
            parts = spelled_out(parts, scene)
        except WordError as error:
            return [error.message]
        width = shutil.get_terminal_size().columns
        return help_lines(expect(parts, scene), word.text, width)


def _page(text: str) -> None:
    """Print text; through a pager where it is longer than the terminal."""
    height = shutil.get_terminal_size().lines
    pager = os.environ.get("PAGER", "").split() or list(_PAGER)
    if text.count("\n") < height or shutil.which(pager[0]) is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        subprocess.run(pager, input=text, text=True, check=False)
    except (OSError, KeyboardInterrupt):
        return


def _ask(question: str) -> bool:
    sys.stdout.write(f"{question} [yes/no] ")
    sys.stdout.flush()
    try:
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    except KeyboardInterrupt:
        return False
