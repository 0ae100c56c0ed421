"""``monitor``: the same part of the data again and again, until it is interrupted."""

from __future__ import annotations

import time
from typing import Final

from flowexport_mgmt.cli.commands.command import Invocation
from flowexport_mgmt.cli.commands.reading import show_data
from flowexport_mgmt.cli.operator import Operator
from flowexport_mgmt.cli.output import surroundings
from flowexport_mgmt.cli.pipes.answer import Answer
from flowexport_mgmt.cli.pipes.pipes import apply

_CLEAR: Final = "\x1b[H\x1b[J"


def monitor(operator: Operator, invocation: Invocation) -> Answer:
    """Show a part of the data every few seconds; a terminal is redrawn, other output appended.

    An interrupt ends it and is no error.
    """
    interval = max(1, invocation.number("interval", 1))
    count = invocation.number("count", 0)
    log = any(stage.name == "log" for stage in invocation.stages)
    redraw = operator.terminal.interactive and not log
    shown = 0
    try:
        while not count or shown < count:
            if shown:
                time.sleep(interval)
            _show(operator, invocation, redraw=redraw)
            shown += 1
    except KeyboardInterrupt:
        operator.terminal.write("\n")
    return Answer(lines=())


def _show(operator: Operator, invocation: Invocation, *, redraw: bool) -> None:
    answer = show_data(operator, invocation)
    lines = apply(answer, invocation.stages, surroundings(operator)).written()
    text = "".join(f"{line}\n" for line in lines)
    operator.terminal.write(_CLEAR + text if redraw else text)
    operator.terminal.flush()
