"""Makes the vectors of this folder: see README.md."""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.vectors import OBJECTS, encode

from flowexport_mgmt.collect.pcap import read_header, read_packets
from flowexport_mgmt.wire.sflow5 import encode as sflow5

FOLDER = Path(__file__).parent
MOST_DATAGRAMS = 4

Pairs = list[tuple[str, Any]]

# tshark's names of fields, and the names that our decoder gives them.
NUMBERS = {
    "cflow.octets": "octetDeltaCount",
    "cflow.packets": "packetDeltaCount",
    "cflow.drop_packets": "droppedPacketDeltaCount",
    "cflow.inputint": "ingressInterface",
    "cflow.outputint": "egressInterface",
    "cflow.direction": "flowDirection",
    "cflow.scope_interface": "scopeInterface",
    "cflow.srcport": "sourceTransportPort",
    "cflow.dstport": "destinationTransportPort",
    "cflow.protocol": "protocolIdentifier",
    "cflow.tcpflags": "tcpControlBits",
    "cflow.tos": "ipClassOfService",
    "cflow.srcmask": "sourceIPv4PrefixLength",
    "cflow.dstmask": "destinationIPv4PrefixLength",
    "cflow.srcmaskv6": "sourceIPv6PrefixLength",
    "cflow.dstmaskv6": "destinationIPv6PrefixLength",
    "cflow.srcas": "bgpSourceAsNumber",
    "cflow.dstas": "bgpDestinationAsNumber",
    "cflow.peer_srcas": "bgpPrevAdjacentAsNumber",
    "cflow.peer_dstas": "bgpNextAdjacentAsNumber",
    "cflow.icmp_type_code_ipv4": "icmpTypeCodeIPv4",
    "cflow.icmp_type": "icmpTypeCodeIPv4",
    "cflow.flow_end_reason": "flowEndReason",
    "cflow.vlanid": "vlanId",
    "cflow.ingress_vrfid": "ingressVRFID",
    "cflow.post_naptsource_transport_port": "postNAPTSourceTransportPort",
    "cflow.post_naptdestination_transport_port": "postNAPTDestinationTransportPort",
    "cflow.biflow_direction": "biflowDirection",
    "cflow.selector_id": "selectorId",
    "cflow.selector_algorithm": "selectorAlgorithm",
    "cflow.sampling_size": "samplingSize",
    "cflow.sampling_population": "samplingPopulation",
    "cflow.sampling_packet_interval": "samplingPacketInterval",
    "cflow.sampling_packet_space": "samplingPacketSpace",
    "cflow.sampling_interval": "samplingInterval",
    "cflow.sampling_algorithm": "samplingAlgorithm",
    "cflow.packetsexp": "exportedMessageTotalCount",
    "cflow.flowsexp": "exportedFlowRecordTotalCount",
    "cflow.octetsexp": "exportedOctetTotalCount",
    "cflow.od_id": "observationDomainId",
    "cflow.mp_id": "meteringProcessId",
    "cflow.flow_exporter": "exportingProcessId",
    "cflow.ignore_packets": "ignoredPacketTotalCount",
    "cflow.ignore_octets": "ignoredOctetTotalCount",
    "cflow.notsent_flows": "notSentFlowTotalCount",
    "cflow.notsent_packets": "notSentPacketTotalCount",
    "cflow.notsent_octets": "notSentOctetTotalCount",
    "cflow.sampler_mode": "samplerMode",
    "cflow.sampler_random_interval": "samplerRandomInterval",
    **{f"sflow_245.{name}": name for name in sflow5.ETHERNET_COUNTERS_DTYPE.names or ()},
    "sflow_245.ifindex": "ifIndex",
    "sflow_245.iftype": "ifType",
    "sflow_245.ifspeed": "ifSpeed",
    "sflow_245.ifinoct": "ifInOctets",
    "sflow_245.ifinpkt": "ifInUcastPkts",
    "sflow_245.ifinmcast": "ifInMulticastPkts",
    "sflow_245.ifinbcast": "ifInBroadcastPkts",
    "sflow_245.ifindisc": "ifInDiscards",
    "sflow_245.ifinerr": "ifInErrors",
    "sflow_245.ifinunk": "ifInUnknownProtos",
    "sflow_245.ifoutoct": "ifOutOctets",
    "sflow_245.ifoutpkt": "ifOutUcastPkts",
    "sflow_245.ifoutmcast": "ifOutMulticastPkts",
    "sflow_245.ifoutbcast": "ifOutBroadcastPkts",
    "sflow_245.ifoutdisc": "ifOutDiscards",
    "sflow_245.ifouterr": "ifOutErrors",
    "sflow_245.ifpromisc": "ifPromiscuousMode",
    "sflow.counters_sample.sequence_number": "sampleSequence",
    "sflow.flow_sample.sequence_number": "sampleSequence",
    "sflow.flow_sample.sampling_rate": "samplingRate",
    "sflow.flow_sample.sample_pool": "samplePool",
    "sflow.flow_sample.dropped_packets": "drops",
    "sflow.flow_sample.source_id_index": "sourceIndex",
    "sflow.flow_sample.input_interface_value": "input",
    "sflow.flow_sample.output_interface_value": "output",
    "sflow.counters_sample.source_id_type": "sourceType",
    "sflow.counters_sample.source_id_index": "sourceIndex",
    "sflow_5.cpu_5s": "cpu5s",
    "sflow_5.cpu_1m": "cpu1m",
    "sflow_5.cpu_5m": "cpu5m",
    "sflow_5.total_memory": "totalMemory",
    "sflow_5.free_memory": "freeMemory",
    "sflow_245.vlan.in": "srcVlan",
    "sflow_245.pri.in": "srcPriority",
    "sflow_245.vlan.out": "dstVlan",
    "sflow_245.pri.out": "dstPriority",
    "sflow_245.nexthop.src_mask": "srcMask",
    "sflow_245.nexthop.dst_mask": "dstMask",
    "sflow_245.as": "as",
    "sflow_245.srcAS": "srcAs",
    "sflow_245.peerAS": "srcPeerAs",
    "sflow_245.localpref": "localPref",
    "sflow_245.header_protocol": "headerProtocol",
    "sflow_245.header.frame_length": "frameLength",
    "sflow_245.header.payload_stripped": "stripped",
}
TEXTS = {
    "cflow.if_name": "interfaceName",
    "cflow.if_descr": "interfaceDescription",
    "cflow.srcaddr": "sourceIPv4Address",
    "cflow.dstaddr": "destinationIPv4Address",
    "cflow.nexthop": "ipNextHopIPv4Address",
    "cflow.bgpnexthop": "bgpNextHopIPv4Address",
    "cflow.srcaddrv6": "sourceIPv6Address",
    "cflow.dstaddrv6": "destinationIPv6Address",
    "cflow.nexthopv6": "ipNextHopIPv6Address",
    "cflow.bgpnexthopv6": "bgpNextHopIPv6Address",
    "cflow.post_natsource_ipv4_address": "postNATSourceIPv4Address",
    "cflow.post_natdestination_ipv4_address": "postNATDestinationIPv4Address",
    "cflow.post_nat_source_ipv6_address": "postNATSourceIPv6Address",
    "cflow.post_nat_destination_ipv6_address": "postNATDestinationIPv6Address",
}
UPTIMES = {"cflow.timestart": "flowStartSysUpTime", "cflow.timeend": "flowEndSysUpTime"}
MOMENTS = {
    "cflow.abstimestart": "flowStartMilliseconds",
    "cflow.abstimeend": "flowEndMilliseconds",
}
RECORDS = (
    "Flow ",
    "pdu ",
    "Expanded counters sample",
    "Expanded flow sample",
    "Counters sample",
    "Flow sample",
)
REPEATED = {
    "octetDeltaCount": "reverseOctetDeltaCount",
    "packetDeltaCount": "reversePacketDeltaCount",
}  # tshark shows the reverse direction of a biflow (RFC 5103) under the same names


def main() -> int:
    """Write one vector."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--capture", type=Path, help="take datagrams from this capture")
    parser.add_argument("--port", type=int, help="those that were sent to this port")
    parser.add_argument("--made-by", help="the program that sent them")
    arguments = parser.parse_args()
    if arguments.capture is None:
        made_by, source = "flowexport-mgmt", OBJECTS[arguments.name]
        datagrams = [bytes(data) for data in encode(source)]
    else:
        made_by, source = arguments.made_by, None
        datagrams = list(read_payloads(arguments.capture, arguments.port))[:MOST_DATAGRAMS]
    records = list(decode(datagrams))
    vector = {
        "made-by": made_by,
        "object": source,
        "datagrams": [data.hex() for data in datagrams],
        "decoded-by": version(),
        "records": records,
    }
    path = FOLDER / f"{arguments.name}.json"
    path.write_text(json.dumps(vector, indent=1) + "\n")
    sys.stdout.write(f"{path}: {len(datagrams)} datagrams, {len(records)} records\n")
    return 0


def read_payloads(path: Path, port: int) -> Iterator[bytes]:
    """Yield the UDP payloads that were sent to a port."""
    with path.open("rb") as file:
        for packet in read_packets(file, read_header(file), lambda _place, _fault: None):
            if packet.port == port:
                yield packet.payload


def version() -> str:
    """Name the program that decodes."""
    shown = subprocess.run(["tshark", "--version"], capture_output=True, text=True, check=True)
    return " ".join(shown.stdout.split()[:3])


def decode(datagrams: list[bytes]) -> Iterator[dict[str, int | str]]:
    """Have tshark decode datagrams, and yield its records."""
    port = 9999
    dissector = "cflow" if datagrams[0][1] else "sflow"
    with tempfile.NamedTemporaryFile(suffix=".pcap") as capture:
        capture.write(make_capture(datagrams, port))
        capture.flush()
        command = [
            "tshark",
            "-r",
            capture.name,
            "-d",
            f"udp.port=={port},{dissector}",
            "-T",
            "json",
        ]
        shown = subprocess.run(command, capture_output=True, check=True)
    frames = json.loads(shown.stdout, object_pairs_hook=lambda pairs: pairs)
    for frame in frames:
        yield from find_records(frame)


def find_records(node: Any) -> Iterator[dict[str, int | str]]:
    """Find the records in tshark's tree, whose names may stand more than once."""
    if not isinstance(node, list):
        return
    for name, value in node:
        if name.startswith(RECORDS) and isinstance(value, list):
            record: dict[str, int | str] = {}
            for field, content in read_fields(value):
                record[REPEATED[field] if field in record else field] = content
            yield record
        else:
            yield from find_records(value)


def read_fields(node: Pairs) -> Iterator[tuple[str, int | str]]:
    """Yield the fields of a record that have a name of ours."""
    for name, value in node:
        if isinstance(value, list):
            yield from read_fields(value)
        elif name in NUMBERS:
            yield NUMBERS[name], int(value, 0)
        elif name in TEXTS:
            yield TEXTS[name], value
        elif name in UPTIMES:
            yield UPTIMES[name], round(float(value) * 1000)
        elif name in MOMENTS:
            yield MOMENTS[name], read_moment(value)


def read_moment(text: str) -> int:
    """Read ``Nov 21, 2026 23:30:35.869000000 UTC`` as milliseconds of Unix time."""
    whole, fraction = text.removesuffix(" UTC").split(".")
    moment = datetime.strptime(whole, "%b %d, %Y %H:%M:%S").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1000 + int(fraction) // 1_000_000


def make_capture(datagrams: Iterable[bytes], port: int) -> bytes:
    """Put datagrams into a capture of raw IPv4 packets."""
    capture = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for data in datagrams:
        udp = struct.pack(">HHHH", 40_000, port, 8 + len(data), 0) + data
        address = bytes([192, 0, 2, 7]), bytes([192, 0, 2, 8])
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
        packet = head + b"".join(address) + udp
        capture += struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet
    return capture


if __name__ == "__main__":
    sys.exit(main())
