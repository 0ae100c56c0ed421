"""Numbers of ctnetlink (linux/netfilter/nfnetlink_conntrack.h) and of netlink(7)."""

from __future__ import annotations

import struct
from typing import Final

HEADER: Final = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port."""

NFGEN: Final = struct.Struct("=BBH")
"""nfgenmsg: address family, version, resource id."""

ATTRIBUTE: Final = struct.Struct("=HH")
"""nlattr: length with this header, type."""

BODY: Final = HEADER.size + NFGEN.size
"""Where the attributes of a message begin."""

NESTED: Final = 0x8000
TYPE_MASK: Final = 0x3FFF

NLMSG_ERROR: Final = 2
NLMSG_DONE: Final = 3
NLM_F_REQUEST: Final = 0x1
NLM_F_MULTI: Final = 0x2
NLM_F_ACK: Final = 0x4
NLM_F_DUMP: Final = 0x300
NLM_F_DUMP_INTR: Final = 0x10
NLM_F_CREATE: Final = 0x400
NLM_F_EXCL: Final = 0x200

CT_NEW: Final = 0x100
CT_GET: Final = 0x101
CT_DELETE: Final = 0x102

GROUP_DESTROY: Final = 3
"""NFNLGRP_CONNTRACK_DESTROY, the multicast group of what ends."""

AF_UNSPEC, AF_INET, AF_INET6 = 0, 2, 10

TUPLE_ORIG, TUPLE_REPLY, STATUS, PROTOINFO = 1, 2, 3, 4
TIMEOUT, MARK, COUNTERS_ORIG, COUNTERS_REPLY = 7, 8, 9, 10
ID, ZONE, TIMESTAMP = 12, 18, 20

TUPLE_IP, TUPLE_PROTO, TUPLE_ZONE = 1, 2, 3
IP_V4_SRC, IP_V4_DST, IP_V6_SRC, IP_V6_DST = 1, 2, 3, 4
PROTO_NUM, PROTO_SRC_PORT, PROTO_DST_PORT = 1, 2, 3
PROTO_ICMP_ID, PROTO_ICMP_TYPE, PROTO_ICMP_CODE = 4, 5, 6
PROTO_ICMPV6_ID, PROTO_ICMPV6_TYPE, PROTO_ICMPV6_CODE = 7, 8, 9
COUNTERS_PACKETS, COUNTERS_OCTETS, COUNTERS32_PACKETS, COUNTERS32_OCTETS = 1, 2, 3, 4
TIMESTAMP_START, TIMESTAMP_STOP = 1, 2
PROTOINFO_TCP, PROTOINFO_SCTP = 1, 3
PROTOINFO_STATE: Final = 1
"""The state within PROTOINFO_TCP, and within PROTOINFO_SCTP."""

ICMP, TCP, UDP, ICMPV6, SCTP, UDPLITE = 1, 6, 17, 58, 132, 136
