"""NETCONF framing over a byte stream (RFC 6242, section 4): messages to bytes and back.

Both hellos travel in end-of-message framing, whatever comes later; what framing that is depends on
what the hellos say. A peer may send its next message without waiting, so that it arrives in the
same read as the hello. :class:`Decoder` therefore stops after the first message and keeps the rest
until :meth:`Decoder.resume` says how it is framed::

    decoder = Decoder()
    hello, = decoder.feed(data)             # stops here, even if data holds more
    messages = decoder.resume(Framing.CHUNKED)
    messages += decoder.feed(more)
"""

from __future__ import annotations

import enum
import re
from typing import Final

from flowexport_mgmt.errors import DecodeError, EncodeError

END_OF_MESSAGE: Final = b"]]>]]>"
END_OF_CHUNKS: Final = b"\n##\n"
MAX_CHUNK: Final = 0xFFFFFFFF
"""The largest chunk in octets (RFC 6242, section 4.2)."""

MAX_MESSAGE: Final = 64 * 1024 * 1024
"""The largest message that is taken, in octets."""

_HEADER: Final = re.compile(rb"\n#(?:([1-9][0-9]{0,9})|#)\n")
_PART_OF_HEADER: Final = re.compile(rb"(?:\n(?:#(?:[1-9][0-9]{0,9}|#)?)?)?")
_LONGEST_HEADER: Final = 13


class Framing(enum.Enum):
    """How one message is told from the next."""

    END_OF_MESSAGE = "end-of-message"  # base:1.0
    CHUNKED = "chunked"  # base:1.1


def encode(message: bytes, framing: Framing) -> bytes:
    """Frame one message.

    Raises:
        EncodeError: the message is empty, longer than a chunk may be, or holds the characters that
            end a message.
    """
    if framing is Framing.END_OF_MESSAGE:
        if END_OF_MESSAGE in message:
            raise EncodeError("a message in end-of-message framing must not hold ]]>]]>")
        return message + END_OF_MESSAGE
    if not 0 < len(message) <= MAX_CHUNK:
        raise EncodeError(f"a chunk holds 1 to {MAX_CHUNK} octets, not {len(message)}")
    return b"\n#%d\n%b%b" % (len(message), message, END_OF_CHUNKS)


class Decoder:
    """Takes a stream apart into messages; one per direction of a session.

    A stream that breaks its framing (``chunk-header``) or has too long a message
    (``message-size``) has no next message: :attr:`failure` tells that after the messages before it
    have been given, and what follows is not looked at. Its offset counts from the first octet of
    the stream.
    """

    def __init__(self, max_message: int = MAX_MESSAGE) -> None:
        self._max_message = max_message
        self._buffer = bytearray()
        self._consumed = 0
        self._framing: Framing | None = Framing.END_OF_MESSAGE
        self._hello_seen = False
        self._searched = 0
        self._message = bytearray()
        self._chunk_left = 0
        self.failure: DecodeError | None = None

    @property
    def framing(self) -> Framing | None:
        """The framing in use; None between the hello and :meth:`resume`."""
        return self._framing

    def feed(self, data: bytes) -> list[bytes]:
        """Take octets and return the messages that they complete, in order."""
        if self.failure is not None:
            return []
        waiting = self._framing is None
        self._buffer += data
        return self._messages(waiting=waiting)

    def resume(self, framing: Framing) -> list[bytes]:
        """Go on after the hello, and return the messages that had come with it."""
        self._framing = framing
        return self._messages()

    def _messages(self, *, waiting: bool = False) -> list[bytes]:
        found: list[bytes] = []
        try:
            if waiting:  # nobody knows yet where a message of these octets ends
                self._check_size(len(self._buffer))
            while (message := self._next()) is not None:
                found.append(message)
        except DecodeError as error:
            self.failure = error
            self._buffer.clear()
        return found

    def _next(self) -> bytes | None:
        if self._framing is Framing.CHUNKED:
            return self._next_chunked()
        if self._framing is Framing.END_OF_MESSAGE:
            return self._next_terminated()
        return None

    def _next_terminated(self) -> bytes | None:
        end = self._buffer.find(END_OF_MESSAGE, self._searched)
        if end < 0:
            self._searched = max(0, len(self._buffer) - len(END_OF_MESSAGE) + 1)
            self._check_size(self._searched)
            return None
        self._check_size(end)
        message = self._take(end)
        self._take(len(END_OF_MESSAGE))
        self._searched = 0
        if not self._hello_seen:
            self._hello_seen = True
            self._framing = None
        return message

    def _next_chunked(self) -> bytes | None:
        while True:
            if self._chunk_left:
                part = self._take(min(self._chunk_left, len(self._buffer)))
                self._chunk_left -= len(part)
                self._message += part
                if self._chunk_left:
                    return None
            size = self._chunk_header()
            if size is None:
                return None
            if size == 0:
                message = bytes(self._message)
                self._message = bytearray()
                return message
            self._check_size(len(self._message) + size)
            self._chunk_left = size

    def _chunk_header(self) -> int | None:
        """Take a header: the size of its chunk, 0 for the end, or None while it is incomplete."""
        match = _HEADER.match(self._buffer)
        if match is None:
            if _PART_OF_HEADER.fullmatch(self._buffer):
                return None
            raise self._bad_header("neither a chunk size nor an end of chunks")
        size = int(match[1] or 0)
        if size > MAX_CHUNK:
            raise self._bad_header("the chunk size is out of range")
        if size == 0 and not self._message:
            raise self._bad_header("a message without a chunk")
        self._take(match.end())
        return size

    def _bad_header(self, reason: str) -> DecodeError:
        start = bytes(self._buffer[:_LONGEST_HEADER])
        return DecodeError("chunk-header", f"{reason}: {start!r}", self._consumed)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._consumed += count
        return taken

    def _check_size(self, size: int) -> None:
        if size > self._max_message:
            reason = f"the message is longer than {self._max_message} octets"
            raise DecodeError("message-size", reason, self._consumed)
