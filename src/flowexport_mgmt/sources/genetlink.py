"""Families of generic netlink by their names (linux/genetlink.h)."""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.sources.netlink_requests import Requests, number, pack, text, unpack

NETLINK_GENERIC: Final = 16

NOTIFY_GROUP: Final = 0x10
"""The multicast group in which the kernel tells of families that come and go."""

_CONTROLLER: Final = 0x10  # GENL_ID_CTRL
_GET_FAMILY: Final = 3
_ID, _NAME, _GROUPS = 1, 2, 7
_GROUP_NAME, _GROUP_ID = 1, 2
_HEADER = struct.Struct("=BBH")


@dataclass(frozen=True, slots=True)
class Family:
    """The number that the kernel gave to a family, and those of its multicast groups."""

    number: int
    groups: Mapping[str, int]


def find_family(name: str) -> Family | None:
    """Look a family up; None when the kernel has none of that name.

    Raises:
        OSError: the kernel did not answer.
    """
    requests = Requests(NETLINK_GENERIC)
    try:
        body = _HEADER.pack(_GET_FAMILY, 1, 0) + pack(_NAME, name.encode() + b"\0")
        answers = requests.call(_CONTROLLER, body)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise
    finally:
        requests.close()
    found = unpack(answers[0], _HEADER.size) if answers else {}
    entries = unpack(found.get(_GROUPS, b"")).values()
    groups = {text(e.get(_GROUP_NAME)): number(e.get(_GROUP_ID)) for e in map(unpack, entries)}
    return Family(number(found.get(_ID)), groups)
