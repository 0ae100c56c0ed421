"""One decoder for all protocols, which a datagram's version field tells apart."""

from __future__ import annotations

from typing import Final

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire import ipfix, netflow5, netflow9, sflow5
from flowexport_mgmt.wire.messages import Message, Source

_SFLOW: Final = b"\0\0"  # the upper half of its version, which has 32 bits
_SFLOW5: Final = b"\0\0\0\x05"
_NETFLOW5: Final = b"\0\x05"
_NETFLOW9: Final = b"\0\x09"
_IPFIX: Final = b"\0\x0a"

_AnyDecoder = sflow5.Decoder | netflow5.Decoder | netflow9.Decoder | ipfix.Decoder


def recognise(data: bytes) -> bool:
    """Tell whether a datagram begins like one that can be decoded."""
    return data[:2] in {_NETFLOW5, _NETFLOW9, _IPFIX} or data[:4] == _SFLOW5


class Decoder:
    """Decodes what one port receives.

    Nothing that a sender puts into a datagram makes it raise, and what it remembers of senders is
    bounded.
    """

    def __init__(self) -> None:
        self._decoders: dict[bytes, _AnyDecoder] = {
            _SFLOW: sflow5.Decoder(),
            _NETFLOW5: netflow5.Decoder(),
            _NETFLOW9: netflow9.Decoder(),
            _IPFIX: ipfix.Decoder(),
        }

    def receive(self, data: bytes, source: Source, now_ns: int) -> Message:
        """Decode one datagram.

        Args:
            data: the UDP payload.
            source: address and port that it came from.
            now_ns: Unix time of its arrival in nanoseconds.
        """
        decoder = self._decoders.get(data[:2])
        if decoder is None:
            fault = DecodeError("version", f"begins with {data[:4].hex() or 'nothing'}")
            return Message("unknown", source, now_ns, faults=(fault,))
        return decoder.receive(data, source, now_ns)
