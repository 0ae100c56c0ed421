"""A transport that sends what is written in one turn of the event loop with one system call.

asyncssh puts an empty packet before each one that it encrypts, so that it writes twice for every
message; each write of a socket costs more than what SSH makes of a short message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any


class GatheringTransport(asyncio.Transport):
    """Keeps octets until the callbacks that are ready have run; everything else is the inner's.

    Args:
        inner: the transport of the socket.
    """

    def __init__(self, inner: asyncio.Transport) -> None:
        super().__init__()
        self._inner = inner
        self._loop = asyncio.get_running_loop()
        self._gathered: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send octets before the next turn."""
        if not self._gathered:
            self._loop.call_soon(self._flush)
        self._gathered.append(bytes(data))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Send octets before the next turn."""
        for data in list_of_data:
            self.write(data)

    def _flush(self) -> None:
        if self._gathered:
            data = b"".join(self._gathered)
            self._gathered.clear()
            self._inner.write(data)

    def close(self) -> None:
        """Close after everything was sent."""
        self._flush()
        self._inner.close()

    def abort(self) -> None:
        """Close at once; what the socket takes of what was written is still sent."""
        self._flush()
        self._inner.abort()

    def write_eof(self) -> None:
        """Say that nothing more is sent, after everything was."""
        self._flush()
        self._inner.write_eof()

    def can_write_eof(self) -> bool:
        """Whether one direction can be closed."""
        return self._inner.can_write_eof()

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return self._inner.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Give what is known of the connection."""
        return self._inner.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        """Count the octets that wait."""
        return self._inner.get_write_buffer_size() + sum(map(len, self._gathered))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Say when writers are told to pause and go on."""
        self._inner.set_write_buffer_limits(high, low)

    def pause_reading(self) -> None:
        """Receive nothing for now."""
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        self._inner.resume_reading()

    def is_reading(self) -> bool:
        """Whether it receives."""
        return self._inner.is_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Change what receives."""
        self._inner.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Give what receives."""
        return self._inner.get_protocol()
