"""What exabgp's decoder makes of UPDATE messages; run by the Python that has exabgp.

Reads lines of ``AS4 ADDPATH HEX`` (flags 0 or 1, a whole message), and writes one line of JSON for
each: routes of [action, prefix, path id, next hop, AS path, communities], or an error.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from exabgp.bgp.message import Update
from exabgp.bgp.message.direction import Direction
from exabgp.configuration.setup import environment
from exabgp.protocol.family import AFI, SAFI


class _AddPath:
    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted

    def receive(self, _afi: Any, _safi: Any) -> bool:
        return self._wanted

    send = receive


class _Negotiated:
    """As much of a session as the decoder asks about."""

    families = ((AFI.ipv4, SAFI.unicast), (AFI.ipv6, SAFI.unicast))
    nexthop = ()
    aigp = False
    local_as = peer_as = 65001
    msg_size = 4096
    operational = multisession = False

    def __init__(self, asn4: bool, add_path: bool) -> None:
        self.asn4 = asn4
        self.addpath = _AddPath(add_path)


def _describe(update: Any) -> dict[str, Any]:
    routes = []
    for nlri in [] if type(update).__name__ == "EOR" else update.nlris:
        action = "announce" if nlri.action == 1 else "withdraw"
        prefix = nlri.cidr.prefix() if hasattr(nlri, "cidr") else ""
        number = int.from_bytes(nlri.path_info.path_info or b"", "big")
        hop = str(nlri.nexthop) if action == "announce" else ""
        routes.append([action, prefix, number, hop])
    attributes = getattr(update, "attributes", {})
    path = attributes.get(2)
    communities = attributes.get(8)
    return {
        "routes": routes,
        "as_path": [int(asn) for asn in path.as_seq] if path is not None else [],
        "communities": [str(each) for each in communities.communities]
        if communities is not None
        else [],
    }


def main() -> None:
    environment.setup("")
    sessions: dict[tuple[bool, bool], _Negotiated] = {}
    for line in sys.stdin:
        asn4, add_path, octets = line.split()
        key = asn4 == "1", add_path == "1"
        session = sessions.setdefault(key, _Negotiated(*key))
        update = Update.unpack_message(bytes.fromhex(octets)[19:], Direction.IN, session)
        sys.stdout.write(json.dumps(_describe(update)) + "\n")


def measure() -> None:
    """Write the seconds of processor time that decoding all messages takes."""
    session = _Negotiated(asn4=True, add_path=False)
    environment.setup("")
    messages = [bytes.fromhex(line.split()[2])[19:] for line in sys.stdin]
    begun = time.process_time()
    for message in messages:
        Update.unpack_message(message, Direction.IN, session)
    sys.stdout.write(f"{time.process_time() - begun}\n")


if __name__ == "__main__":
    measure() if sys.argv[1:] == ["--measure"] else main()
