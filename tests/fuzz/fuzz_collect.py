"""What flowexport-collect does with datagrams of strangers: decode, count and write."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.console import Console
from tests.fuzz import streams

from flowexport_mgmt.collect import output
from flowexport_mgmt.collect.tally import Tally
from flowexport_mgmt.collect.view import View
from flowexport_mgmt.wire.decoder import Decoder

PORT = 2055


def seeds() -> Iterable[bytes]:
    """Give all vectors."""
    return streams.seeds()


def run(data: bytes) -> None:
    """Decode a stream, count it, write it in every form, and draw it."""
    decoder, tally = Decoder(), Tally()
    for datagram in streams.split(data):
        message = decoder.receive(datagram, streams.SOURCE, streams.NOW_NS)
        streams.check(message, len(datagram))
        tally.receive(PORT, message)
        for render in (output.render_json, output.render_lines, output.render_faults):
            for line in render(PORT, message):
                assert "\n" not in line
    list(output.render_summary(tally, tally.faults))
    drawn = draw(tally)
    assert all(sign.isprintable() or sign == "\n" for sign in drawn)


def draw(tally: Tally) -> str:
    """Draw what the live view shows."""
    console = Console(file=io.StringIO(), width=140, force_terminal=False)
    view = View(tally, ["127.0.0.1:2055"], streams.NOW_NS)
    with console.capture() as drawn:
        console.print(view.render(streams.NOW_NS, width=140, lines=20))
    return drawn.get()
