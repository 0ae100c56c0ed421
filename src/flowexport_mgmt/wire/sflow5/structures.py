"""Counter records of fixed length about a host, by format (sFlow Host Structures; sFlow v5, 5.3).

Each field is a name and a letter: I and Q are unsigned integers of 32 and 64 bits, f is a float.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Number = int | float

PROCESSOR: Final = 1001
HOST_CPU: Final = 2003
HOST_MEMORY: Final = 2004
HOST_DISK_IO: Final = 2005
HOST_NET_IO: Final = 2006
MIB2_IP: Final = 2007
MIB2_ICMP: Final = 2008
MIB2_TCP: Final = 2009
MIB2_UDP: Final = 2010

_FIELDS: Final = {
    PROCESSOR: "cpu5s cpu1m cpu5m totalMemory:Q freeMemory:Q",
    HOST_CPU: "loadOne:f loadFive:f loadFifteen:f procRun procTotal cpuNum cpuSpeed uptime cpuUser"
    " cpuNice cpuSystem cpuIdle cpuWio cpuIntr cpuSintr interrupts contexts",
    HOST_MEMORY: "memTotal:Q memFree:Q memShared:Q memBuffers:Q memCached:Q swapTotal:Q swapFree:Q"
    " pageIn pageOut swapIn swapOut",
    HOST_DISK_IO: "diskTotal:Q diskFree:Q partMaxUsed reads bytesRead:Q readTime writes"
    " bytesWritten:Q writeTime",
    HOST_NET_IO: "bytesIn:Q packetsIn errorsIn dropsIn bytesOut:Q packetsOut errorsOut dropsOut",
    MIB2_IP: "ipForwarding ipDefaultTTL ipInReceives ipInHdrErrors ipInAddrErrors ipForwDatagrams"
    " ipInUnknownProtos ipInDiscards ipInDelivers ipOutRequests ipOutDiscards ipOutNoRoutes"
    " ipReasmTimeout ipReasmReqds ipReasmOKs ipReasmFails ipFragOKs ipFragFails ipFragCreates",
    MIB2_ICMP: "icmpInMsgs icmpInErrors icmpInDestUnreachs icmpInTimeExcds icmpInParamProbs"
    " icmpInSrcQuenchs icmpInRedirects icmpInEchos icmpInEchoReps icmpInTimestamps"
    " icmpInAddrMasks icmpInAddrMaskReps icmpOutMsgs icmpOutErrors icmpOutDestUnreachs"
    " icmpOutTimeExcds icmpOutParamProbs icmpOutSrcQuenchs icmpOutRedirects icmpOutEchos"
    " icmpOutEchoReps icmpOutTimestamps icmpOutTimestampReps icmpOutAddrMasks"
    " icmpOutAddrMaskReps",
    MIB2_TCP: "tcpRtoAlgorithm tcpRtoMin tcpRtoMax tcpMaxConn tcpActiveOpens tcpPassiveOpens"
    " tcpAttemptFails tcpEstabResets tcpCurrEstab tcpInSegs tcpOutSegs tcpRetransSegs tcpInErrs"
    " tcpOutRsts tcpInCsumErrors",
    MIB2_UDP: "udpInDatagrams udpNoPorts udpInErrors udpOutDatagrams udpRcvbufErrors"
    " udpSndbufErrors udpInCsumErrors",
}

_UNKNOWN: Final[dict[str, Number]] = {"I": 0xFFFFFFFF, "Q": 0xFFFFFFFFFFFFFFFF, "f": -1.0}


@dataclass(frozen=True, slots=True)
class Structure:
    """The fields of one format."""

    names: tuple[str, ...]
    letters: tuple[str, ...]

    @property
    def layout(self) -> struct.Struct:
        """The fields as they stand on the wire."""
        return struct.Struct(">" + "".join(self.letters))

    def encode(self, values: Mapping[str, Number]) -> bytes:
        """Encode values by name, counters modulo their width; one that is missing is unknown.

        Raises:
            KeyError: there is no field of a name.
        """
        strange = values.keys() - set(self.names)
        if strange:
            raise KeyError(*strange)
        numbers = map(_fit, (values.get(name) for name in self.names), self.letters)
        return self.layout.pack(*numbers)

    def decode(self, numbers: tuple[Number, ...]) -> dict[str, int | str | None]:
        """Name what was unpacked; unknown values are None, floats a text of two decimals."""
        fields = zip(self.names, self.letters, numbers, strict=True)
        return {name: _show(number, letter) for name, letter, number in fields}


def _fit(value: Number | None, letter: str) -> Number:
    if value is None:
        return _UNKNOWN[letter]
    return float(value) if letter == "f" else int(value) & int(_UNKNOWN[letter])


def _show(number: Number, letter: str) -> int | str | None:
    if number == _UNKNOWN[letter]:
        return None
    return f"{number:.2f}" if letter == "f" else int(number)


def _parse(text: str) -> Structure:
    pairs = [(*item.split(":"), "I")[:2] for item in text.split()]
    return Structure(tuple(name for name, _ in pairs), tuple(letter for _, letter in pairs))


STRUCTURES: Final = {format_: _parse(text) for format_, text in _FIELDS.items()}
"""Structures by format."""
