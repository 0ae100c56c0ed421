"""Information elements that the codecs know by name (IANA registry "IPFIX Information Elements").

NetFlow v9 numbers its field types from the same space (RFC 7012, section 1), so one table serves
both protocols.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

VARIABLE: Final = 0xFFFF
"""The field length that says "variable length" (RFC 7011, section 7)."""

_SIZES: Final = {
    "unsigned8": 1,
    "unsigned16": 2,
    "unsigned32": 4,
    "unsigned64": 8,
    "ipv4Address": 4,
    "ipv6Address": 16,
    "macAddress": 6,
    "dateTimeSeconds": 4,
    "dateTimeMilliseconds": 8,
    "dateTimeMicroseconds": 8,
    "dateTimeNanoseconds": 8,
    "string": 0,
    "octetArray": 0,
}


@dataclass(frozen=True, slots=True)
class Element:
    """One information element: its number, its name and its abstract data type as IANA has them."""

    id: int
    name: str
    type: str

    @property
    def size(self) -> int:
        """The length in octets of the abstract data type; 0 for strings and octet arrays."""
        return _SIZES[self.type]

    def accepts(self, length: int) -> bool:
        """Tell whether a template may give the element this length in octets.

        Unsigned integers may be shorter than their type (RFC 7011, section 6.2), nothing may be
        longer, and only strings and octet arrays may have no fixed length.
        """
        if self.size == 0:
            return length > 0
        if self.type.startswith("unsigned"):
            return 1 <= length <= self.size
        return length == self.size


_REGISTRY: Final = """
1 octetDeltaCount unsigned64
2 packetDeltaCount unsigned64
3 deltaFlowCount unsigned64
4 protocolIdentifier unsigned8
5 ipClassOfService unsigned8
6 tcpControlBits unsigned16
7 sourceTransportPort unsigned16
8 sourceIPv4Address ipv4Address
9 sourceIPv4PrefixLength unsigned8
10 ingressInterface unsigned32
11 destinationTransportPort unsigned16
12 destinationIPv4Address ipv4Address
13 destinationIPv4PrefixLength unsigned8
14 egressInterface unsigned32
15 ipNextHopIPv4Address ipv4Address
16 bgpSourceAsNumber unsigned32
17 bgpDestinationAsNumber unsigned32
18 bgpNextHopIPv4Address ipv4Address
19 postMCastPacketDeltaCount unsigned64
20 postMCastOctetDeltaCount unsigned64
21 flowEndSysUpTime unsigned32
22 flowStartSysUpTime unsigned32
23 postOctetDeltaCount unsigned64
24 postPacketDeltaCount unsigned64
25 minimumIpTotalLength unsigned64
26 maximumIpTotalLength unsigned64
27 sourceIPv6Address ipv6Address
28 destinationIPv6Address ipv6Address
29 sourceIPv6PrefixLength unsigned8
30 destinationIPv6PrefixLength unsigned8
31 flowLabelIPv6 unsigned32
32 icmpTypeCodeIPv4 unsigned16
33 igmpType unsigned8
34 samplingInterval unsigned32
35 samplingAlgorithm unsigned8
36 flowActiveTimeout unsigned16
37 flowIdleTimeout unsigned16
38 engineType unsigned8
39 engineId unsigned8
40 exportedOctetTotalCount unsigned64
41 exportedMessageTotalCount unsigned64
42 exportedFlowRecordTotalCount unsigned64
44 sourceIPv4Prefix ipv4Address
45 destinationIPv4Prefix ipv4Address
46 mplsTopLabelType unsigned8
47 mplsTopLabelIPv4Address ipv4Address
48 samplerId unsigned8
49 samplerMode unsigned8
50 samplerRandomInterval unsigned32
52 minimumTTL unsigned8
53 maximumTTL unsigned8
54 fragmentIdentification unsigned32
55 postIpClassOfService unsigned8
56 sourceMacAddress macAddress
57 postDestinationMacAddress macAddress
58 vlanId unsigned16
59 postVlanId unsigned16
60 ipVersion unsigned8
61 flowDirection unsigned8
62 ipNextHopIPv6Address ipv6Address
63 bgpNextHopIPv6Address ipv6Address
64 ipv6ExtensionHeaders unsigned32
70 mplsTopLabelStackSection octetArray
71 mplsLabelStackSection2 octetArray
72 mplsLabelStackSection3 octetArray
80 destinationMacAddress macAddress
81 postSourceMacAddress macAddress
82 interfaceName string
83 interfaceDescription string
84 samplerName string
85 octetTotalCount unsigned64
86 packetTotalCount unsigned64
88 fragmentOffset unsigned16
89 forwardingStatus unsigned32
90 mplsVpnRouteDistinguisher octetArray
94 applicationDescription string
95 applicationId octetArray
96 applicationName string
128 bgpNextAdjacentAsNumber unsigned32
129 bgpPrevAdjacentAsNumber unsigned32
130 exporterIPv4Address ipv4Address
131 exporterIPv6Address ipv6Address
132 droppedOctetDeltaCount unsigned64
133 droppedPacketDeltaCount unsigned64
134 droppedOctetTotalCount unsigned64
135 droppedPacketTotalCount unsigned64
136 flowEndReason unsigned8
137 commonPropertiesId unsigned64
138 observationPointId unsigned64
139 icmpTypeCodeIPv6 unsigned16
140 mplsTopLabelIPv6Address ipv6Address
141 lineCardId unsigned32
142 portId unsigned32
143 meteringProcessId unsigned32
144 exportingProcessId unsigned32
145 templateId unsigned16
148 flowId unsigned64
149 observationDomainId unsigned32
150 flowStartSeconds dateTimeSeconds
151 flowEndSeconds dateTimeSeconds
152 flowStartMilliseconds dateTimeMilliseconds
153 flowEndMilliseconds dateTimeMilliseconds
154 flowStartMicroseconds dateTimeMicroseconds
155 flowEndMicroseconds dateTimeMicroseconds
156 flowStartNanoseconds dateTimeNanoseconds
157 flowEndNanoseconds dateTimeNanoseconds
158 flowStartDeltaMicroseconds unsigned32
159 flowEndDeltaMicroseconds unsigned32
160 systemInitTimeMilliseconds dateTimeMilliseconds
161 flowDurationMilliseconds unsigned32
162 flowDurationMicroseconds unsigned32
163 observedFlowTotalCount unsigned64
164 ignoredPacketTotalCount unsigned64
165 ignoredOctetTotalCount unsigned64
166 notSentFlowTotalCount unsigned64
167 notSentPacketTotalCount unsigned64
168 notSentOctetTotalCount unsigned64
176 icmpTypeIPv4 unsigned8
177 icmpCodeIPv4 unsigned8
178 icmpTypeIPv6 unsigned8
179 icmpCodeIPv6 unsigned8
180 udpSourcePort unsigned16
181 udpDestinationPort unsigned16
182 tcpSourcePort unsigned16
183 tcpDestinationPort unsigned16
192 ipTTL unsigned8
195 ipDiffServCodePoint unsigned8
210 paddingOctets octetArray
225 postNATSourceIPv4Address ipv4Address
226 postNATDestinationIPv4Address ipv4Address
227 postNAPTSourceTransportPort unsigned16
228 postNAPTDestinationTransportPort unsigned16
229 natOriginatingAddressRealm unsigned8
230 natEvent unsigned8
231 initiatorOctets unsigned64
232 responderOctets unsigned64
234 ingressVRFID unsigned32
235 egressVRFID unsigned32
239 biflowDirection unsigned8
243 dot1qVlanId unsigned16
244 dot1qPriority unsigned8
245 dot1qCustomerVlanId unsigned16
252 ingressPhysicalInterface unsigned32
253 egressPhysicalInterface unsigned32
256 ethernetType unsigned16
258 collectionTimeMilliseconds dateTimeMilliseconds
281 postNATSourceIPv6Address ipv6Address
282 postNATDestinationIPv6Address ipv6Address
298 initiatorPackets unsigned64
299 responderPackets unsigned64
301 selectionSequenceId unsigned64
302 selectorId unsigned64
303 informationElementId unsigned16
304 selectorAlgorithm unsigned16
305 samplingPacketInterval unsigned32
306 samplingPacketSpace unsigned32
309 samplingSize unsigned32
310 samplingPopulation unsigned32
318 selectorIdTotalPktsObserved unsigned64
319 selectorIdTotalPktsSelected unsigned64
322 observationTimeSeconds dateTimeSeconds
323 observationTimeMilliseconds dateTimeMilliseconds
346 privateEnterpriseNumber unsigned32
352 layer2OctetDeltaCount unsigned64
353 layer2OctetTotalCount unsigned64
368 ingressInterfaceType unsigned32
369 egressInterfaceType unsigned32
"""


def _parse(line: str) -> Element:
    number, name, abstract_type = line.split()
    return Element(int(number), name, abstract_type)


ELEMENTS: Final = {element.id: element for element in map(_parse, _REGISTRY.split("\n")[1:-1])}
"""Elements of the IANA registry by number."""
