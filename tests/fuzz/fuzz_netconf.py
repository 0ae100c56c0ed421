"""NETCONF framing: however a stream is cut, it has the same messages and the same error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flowexport_mgmt.wire.netconf import Decoder, Framing, encode

MAX_MESSAGE = 1000
HELLO = encode(b"<hello/>", Framing.END_OF_MESSAGE)


def seeds() -> Iterator[bytes]:
    """Give sessions in both framings; the first octet says which, and how they are cut."""
    for first, framing in ((0, Framing.CHUNKED), (1, Framing.END_OF_MESSAGE)):
        messages = b"".join(encode(b"<rpc>%d</rpc>" % number, framing) for number in range(3))
        yield bytes([first]) + HELLO + messages
        yield bytes([first | 8]) + HELLO + messages
    yield b"\0" + HELLO + b"\n#3\nabc\n#2\nde\n##\n"


def run(data: bytes) -> None:
    """Feed a stream whole and in pieces."""
    if not data:
        return
    framing = Framing.END_OF_MESSAGE if data[0] & 1 else Framing.CHUNKED
    stream, size = data[1:], 1 + (data[0] >> 3)
    pieces = (stream[at : at + size] for at in range(0, len(stream), size))
    whole, broken = feed((stream,), framing)
    cut, broken_too = feed(pieces, framing)
    assert (cut, broken_too) == (whole, broken)
    assert all(len(message) <= MAX_MESSAGE for message in whole)


def feed(pieces: Iterable[bytes], framing: Framing) -> tuple[list[bytes], str]:
    """Give the messages before an error, and its code."""
    decoder = Decoder(MAX_MESSAGE)
    found: list[bytes] = []
    for piece in pieces:
        found += decoder.feed(piece)
        if decoder.framing is None:
            found += decoder.resume(framing)
    return found, decoder.failure.code if decoder.failure is not None else ""
