"""Printing answers: through the pipes, then to the terminal, by the page where somebody reads."""

from __future__ import annotations

from flowexport_mgmt.cli.commands.command import Invocation
from flowexport_mgmt.cli.commands.origins import origins_of
from flowexport_mgmt.cli.configure.comparing import compared
from flowexport_mgmt.cli.operator import Operator
from flowexport_mgmt.cli.pipes.answer import Answer
from flowexport_mgmt.cli.pipes.pipes import Surroundings, apply


def surroundings(operator: Operator) -> Surroundings:
    """Tell the pipes what they need to know."""
    return Surroundings(
        width=operator.terminal.width(),
        origins=lambda addresses: origins_of(operator, addresses),
        compare=lambda answer, back: compared(operator, answer, back),
    )


def show(operator: Operator, invocation: Invocation, answer: Answer) -> None:
    """Print what a command answered."""
    answer = apply(answer, invocation.stages, surroundings(operator))
    text = "".join(f"{line}\n" for line in answer.written() if answer.lines != ())
    if not text:
        return
    paged = not any(stage.name in ("no-more", "save") for stage in invocation.stages)
    terminal = operator.terminal
    if terminal.page is not None and paged:
        terminal.page(text)
    else:
        terminal.write(text)
        terminal.flush()
