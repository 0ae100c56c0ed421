"""What kinds of devices there are, and what their traffic is like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ICMP: Final = 1
TCP: Final = 6
UDP: Final = 17

_BOTH: Final = (TCP, UDP)
_TRANSPORTS: Final = {
    22: (TCP,),
    25: (TCP,),
    53: _BOTH,
    67: (UDP,),
    80: (TCP,),
    161: (UDP,),
    179: (TCP,),
    389: _BOTH,
    443: _BOTH,
    445: (TCP,),
    2049: _BOTH,
    3260: (TCP,),
    3389: _BOTH,
    4789: (UDP,),
    4791: (UDP,),
    8080: (TCP,),
}
"""The protocols that a service is reached by; QUIC is what UDP has on port 443."""

_FALLBACK_PORT: Final = {TCP: 443, UDP: 53}


@dataclass(frozen=True, slots=True)
class Role:
    """The traffic of one kind of device; everything is drawn evenly between two bounds.

    ``mix`` are the shares of TCP, UDP and ICMP in percent, ``ports`` the services with their
    weights, ``flows`` how many are under way at a time.
    """

    name: str
    mix: tuple[int, int, int]
    ports: tuple[tuple[int, int], ...]
    octets: tuple[int, int]
    packets: tuple[int, int]
    seconds: tuple[float, float]
    flows: int

    def services(self, protocol: int) -> tuple[tuple[int, int], ...]:
        """Give the services that a transport protocol reaches, with their weights."""
        found = tuple((port, w) for port, w in self.ports if protocol in _TRANSPORTS[port])
        return found or ((_FALLBACK_PORT[protocol], 1),)

    @property
    def sampling_rate(self) -> int:
        """One packet in so many is sampled unless the configuration says otherwise."""
        return 10 * self.flows


ROLES: Final = {
    role.name: role
    for role in (
        Role(
            "core-router",
            mix=(65, 30, 5),
            ports=((443, 35), (80, 15), (179, 15), (53, 15), (22, 10), (8080, 10)),
            octets=(512, 1_500_000),
            packets=(1, 1000),
            seconds=(0.5, 300),
            flows=200,
        ),
        Role(
            "edge-router",
            mix=(70, 25, 5),
            ports=((443, 50), (80, 20), (53, 15), (22, 10), (25, 5)),
            octets=(256, 500_000),
            packets=(1, 500),
            seconds=(0.2, 120),
            flows=128,
        ),
        Role(
            "dc-switch",
            mix=(80, 18, 2),
            ports=((3260, 30), (2049, 25), (443, 20), (4789, 15), (445, 10)),
            octets=(4096, 10_000_000),
            packets=(4, 8000),
            seconds=(0.1, 60),
            flows=128,
        ),
        Role(
            "campus-switch",
            mix=(65, 30, 5),
            ports=((443, 40), (80, 20), (53, 20), (67, 10), (389, 10)),
            octets=(64, 300_000),
            packets=(1, 300),
            seconds=(0.1, 30),
            flows=64,
        ),
        Role(
            "firewall",
            mix=(60, 30, 10),
            ports=((443, 35), (80, 20), (53, 20), (22, 15), (3389, 10)),
            octets=(0, 200_000),
            packets=(0, 200),
            seconds=(0.05, 60),
            flows=64,
        ),
        Role(
            "server",
            mix=(85, 13, 2),
            ports=((443, 40), (22, 25), (161, 20), (80, 15)),
            octets=(512, 100_000),
            packets=(1, 200),
            seconds=(1, 60),
            flows=32,
        ),
        Role(
            "gpu-server",
            mix=(30, 68, 2),
            ports=((4791, 60), (443, 20), (22, 10), (8080, 10)),
            octets=(1_000_000, 10_000_000_000),
            packets=(1000, 8_000_000),
            seconds=(10, 600),
            flows=8,
        ),
        Role(
            "storage",
            mix=(85, 14, 1),
            ports=((2049, 30), (3260, 30), (443, 25), (445, 15)),
            octets=(64 * 1024, 5_000_000_000),
            packets=(64, 4_000_000),
            seconds=(5, 300),
            flows=32,
        ),
    )
}

DEFAULT_ROLE: Final = "edge-router"

_DEVICE_TYPES: Final = {
    "core-router": ("asr9k", "cisco_crs_x", "nokia_7750_sr12", "juniper_mx960"),
    "edge-router": ("juniper_mx240", "nec_ix3315", "cisco_ios", "huawei_ne8000"),
    "dc-switch": ("cisco_nexus_9500", "arista_7280r3"),
    "campus-switch": ("cisco_catalyst_9500", "extreme_vsp4450", "dlink_dgs3630"),
    "firewall": (
        "palo_alto_pa3220",
        "fortinet_fortigate_600e",
        "sonicwall_nsa6700",
        "check_point_15600",
    ),
    "server": ("dell_poweredge_r750", "hpe_proliant_dl380", "ibm_power_s922", "linux_server"),
    "gpu-server": ("nvidia_dgx_a100", "nvidia_dgx_h100", "nvidia_hgx_h200"),
    "storage": ("netapp_ontap", "pure_storage_flasharray", "dell_emc_unity", "aws_s3_storage"),
}
DEVICE_TYPES: Final = {
    device: ROLES[role] for role, devices in _DEVICE_TYPES.items() for device in devices
}
"""The role of each device type, by the names that the reference simulator uses."""
