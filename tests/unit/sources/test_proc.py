"""Files of /proc, as Linux 6.1 writes them."""

from __future__ import annotations

from typing import Final

from flowexport_mgmt.sources import proc
from flowexport_mgmt.wire.sflow5.structures import (
    HOST_CPU,
    HOST_DISK_IO,
    HOST_MEMORY,
    MIB2_ICMP,
    MIB2_IP,
    MIB2_TCP,
    MIB2_UDP,
    STRUCTURES,
)

STAT: Final = """\
cpu  1000 20 300 40000 500 6 70 8 0 0
cpu0 1000 20 300 40000 500 6 70 8 0 0
intr 9862838 0 0 17 0
ctxt 18012345
btime 1700000000
processes 42
procs_running 1
softirq 5 0 1
"""
MEMORY: Final = """\
MemTotal:       24730032 kB
MemFree:        22500492 kB
MemAvailable:   24035192 kB
Buffers:           41196 kB
Cached:          1535504 kB
SwapCached:            0 kB
SwapTotal:          1000 kB
SwapFree:            999 kB
Shmem:             12780 kB
HugePages_Total:       0
"""
VMSTAT: Final = "nr_free_pages 5\npgpgin 4000\npgpgout 8000\npswpin 7\npswpout 9\n"
DISKS: Final = """\
   7       0 loop0 1 2 3 4 5 6 7 8 0 0 0
 254       0 vda 100 16 6000 17 800 4 480 24 0 62 29 34 24 33 21 19 5
 254       1 vda1 99 16 5999 17 800 4 480 24 0 62 29
 254      16 vdb 1 0 8 2 3 0 16 4 0 0 0
"""
SNMP: Final = """\
Ip: Forwarding DefaultTTL InReceives InHdrErrors OutTransmits
Ip: 2 64 35497424 3 17
Icmp: InMsgs InErrors InCsumErrors InParmProbs OutParmProbs OutAddrMaskReps
Icmp: 2001 1 2 3 4 5
IcmpMsg: InType3 OutType3
IcmpMsg: 2001 1999
Tcp: RtoAlgorithm MaxConn CurrEstab InCsumErrors
Tcp: 1 -1 12 6
Udp: InDatagrams NoPorts InCsumErrors IgnoredMulti
Udp: 75137 1999 4 9
UdpLite: InDatagrams NoPorts
UdpLite: 1 2
"""
MOUNTS: Final = r"""overlay / overlay rw,relatime 0 0
proc /proc proc rw 0 0
/dev/vdb1 /var/with\040blank ext4 rw 0 0
/dev/vdb1 /bound ext4 rw 0 0
server:/home /home nfs rw 0 0
/dev/loop3 /snap/core/1 squashfs ro 0 0
/dev/sdc1 /media/stick fuseblk rw 0 0
"""


def test_names_are_those_of_the_records() -> None:
    cpu = proc.parse_stat(STAT, 100)[0] | proc.parse_load("0.63 0.28 0.51 4/121 12503")
    memory = proc.parse_memory(MEMORY) | proc.parse_paging(VMSTAT, 4096)
    for format_, values in (
        (HOST_CPU, cpu),
        (HOST_MEMORY, memory),
        (HOST_DISK_IO, proc.parse_disks(DISKS, ("vda",))),
    ):
        assert values.keys() <= set(STRUCTURES[format_].names)
    assert memory.keys() == set(STRUCTURES[HOST_MEMORY].names)


def test_times_of_processors_are_milliseconds() -> None:
    values, times = proc.parse_stat(STAT, 100)
    assert values == {
        "cpuUser": 10_000,
        "cpuNice": 200,
        "cpuSystem": 3000,
        "cpuIdle": 400_000,
        "cpuWio": 5000,
        "cpuIntr": 60,
        "cpuSintr": 700,
        "interrupts": 9_862_838,
        "contexts": 18_012_345,
    }
    assert times == proc.CpuTimes(busy=1404, total=41_904)


def test_load_and_processes() -> None:
    assert proc.parse_load("0.63 0.28 0.51 4/121 12503") == {
        "loadOne": 0.63,
        "loadFive": 0.28,
        "loadFifteen": 0.51,
        "procRun": 4,
        "procTotal": 121,
    }


def test_memory_is_octets() -> None:
    values = proc.parse_memory(MEMORY)
    assert values["memTotal"] == 24_730_032 * 1024
    assert values["memShared"] == 12_780 * 1024
    assert (values["swapTotal"], values["swapFree"]) == (1_024_000, 999 * 1024)


def test_paging_is_pages() -> None:
    assert proc.parse_paging(VMSTAT, 4096) == {
        "pageIn": 1000,
        "pageOut": 2000,
        "swapIn": 7,
        "swapOut": 9,
    }


def test_disks_are_added_up_without_their_parts() -> None:
    assert proc.parse_disks(DISKS, {"vda", "vdb"}) == {
        "reads": 101,
        "bytesRead": 6008 * 512,
        "readTime": 19,
        "writes": 803,
        "bytesWritten": 496 * 512,
        "writeTime": 28,
    }
    assert proc.parse_disks(DISKS, ()) == {}


def test_protocols_have_the_groups_of_their_mib() -> None:
    names = {
        format_: STRUCTURES[format_].names for format_ in (MIB2_IP, MIB2_ICMP, MIB2_TCP, MIB2_UDP)
    }
    assert proc.parse_protocols(SNMP, names) == {
        MIB2_IP: {
            "ipForwarding": 2,
            "ipDefaultTTL": 64,
            "ipInReceives": 35_497_424,
            "ipInHdrErrors": 3,
        },
        MIB2_ICMP: {
            "icmpInMsgs": 2001,
            "icmpInErrors": 1,
            "icmpInParamProbs": 3,
            "icmpOutParamProbs": 4,
            "icmpOutAddrMaskReps": 5,
        },
        MIB2_TCP: {
            "tcpRtoAlgorithm": 1,
            "tcpMaxConn": -1,
            "tcpCurrEstab": 12,
            "tcpInCsumErrors": 6,
        },
        MIB2_UDP: {"udpInDatagrams": 75_137, "udpNoPorts": 1999, "udpInCsumErrors": 4},
    }


def test_only_local_file_systems_are_asked_and_each_once() -> None:
    assert proc.parse_mounts(MOUNTS) == [("overlay", "/"), ("/dev/vdb1", "/var/with blank")]
