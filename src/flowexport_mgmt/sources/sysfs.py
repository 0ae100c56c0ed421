"""What sysfs tells about an interface and rtnetlink does not: speed and duplex."""

from __future__ import annotations

from typing import Final, NamedTuple

from flowexport_mgmt.sources.files import read_text

FULL_DUPLEX: Final = 1
HALF_DUPLEX: Final = 2
_DUPLEX = {"full": FULL_DUPLEX, "half": HALF_DUPLEX}


class LinkSettings(NamedTuple):
    """Speed in bits per second, 0 when unknown; direction 0 unknown, 1 full, 2 half duplex."""

    speed: int = 0
    direction: int = 0


UNKNOWN_SETTINGS: Final = LinkSettings()


def read_settings(name: str, ifindex: int, root: str = "/sys/class/net") -> LinkSettings:
    """Read speed and duplex of an interface.

    What a driver does not say is unknown. So is everything when sysfs shows another network
    namespace than the one that netlink answered for, which another ifindex gives away.
    """
    folder = f"{root}/{name}"
    if read_text(f"{folder}/ifindex") != str(ifindex):
        return UNKNOWN_SETTINGS
    megabits = read_text(f"{folder}/speed")
    speed = int(megabits) * 1_000_000 if megabits.isdecimal() else 0  # -1 says unknown
    return LinkSettings(speed, _DUPLEX.get(read_text(f"{folder}/duplex"), 0))
