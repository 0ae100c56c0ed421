"""Requests for simulated devices that are refused, and the text that names what is wrong."""

from __future__ import annotations

from typing import Any

FLOW = {"collector": "192.0.2.7:2055"}
_GOOD: dict[str, Any] = {"start_ip": "10.0.0.1", "device_count": 2}

_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "start_ip: is required"),
    ({"start_ip": "10.0.0.1"}, "device_count: is required"),
    ({"start_ip": "10.0.0"}, 'start_ip: "10.0.0" is not an IP address'),
    ({"start_ip": 7}, "start_ip: must be a string"),
    ({"start_ip": "224.0.0.1", "device_count": 1}, "start_ip: 224.0.0.1 to 224.0.0.1 are not"),
    *(
        ({"device_count": count}, "device_count: must be an integer from 1 to 100000")
        for count in (0, -1, 100_001, "5", 1.5, True)
    ),
    *(
        ({"netmask": mask}, "netmask: must be a prefix length from 8 to 30")
        for mask in ("7", "31", "x", "255.255.255.0", -1)
    ),
    ({"resource_file": "vax"}, 'resource_file: "vax" is not a known device type'),
    ({"colour": 1}, "colour: unknown key"),
    *(({key: {}}, f"{key}: not supported") for key in ("snmp", "traps", "syslog", "round_robin")),
    ({"flow": []}, "flow: must be an object"),
    ({"flow": {}}, "flow.collector: is required"),
    ({"flow": {"collector": "192.0.2.7"}}, 'flow.collector: "192.0.2.7" is not host:port'),
    ({"flow": {"collector": "192.0.2.7:0"}}, 'flow.collector: port "0" is not from 1 to 65535'),
    ({"flow": {"collector": "192.0.2.7:65536"}}, "flow.collector: port"),
    ({"flow": {"collector": "192.0.2.7:x"}}, "flow.collector: port"),
    ({"flow": {"collector": "::1:2055"}}, "flow.collector: "),
    ({"flow": {"collector": "host.invalid:1"}}, 'flow.collector: "host.invalid" has no IPv4'),
    ({"flow": {"collector": "[::1]:1"}}, "flow.collector: ::1 is not of the same family"),
    ({"flow": {"collector": "0.0.0.0:1"}}, "flow.collector: 0.0.0.0 is no destination"),
    ({"flow": {**FLOW, "protocol": "netflow8"}}, 'flow.protocol: "netflow8" is none of'),
    ({"flow": {**FLOW, "port": 5}}, "flow.port: unknown key"),
    ({"flow": {**FLOW, "tick_interval": 5}}, "flow.tick_interval: must be a duration in a string"),
    ({"flow": {**FLOW, "tick_interval": "-5s"}}, 'flow.tick_interval: "-5s" is negative'),
    ({"flow": {**FLOW, "tick_interval": "5"}}, 'flow.tick_interval: "5" is not a duration'),
    ({"flow": {**FLOW, "tick_interval": "1ms"}}, 'flow.tick_interval: "1ms" is not from'),
    ({"flow": {**FLOW, "active_timeout": "soon"}}, 'flow.active_timeout: "soon" is not a dur'),
    ({"flow": {**FLOW, "inactive_timeout": 15}}, "flow.inactive_timeout: must be a duration"),
    ({"flow": {**FLOW, "sub_agent_id": -1}}, "flow.sub_agent_id: must be an integer from 0"),
]

REFUSED = [
    (members if not members or "start_ip" in members else {**_GOOD, **members}, text)
    for members, text in _REFUSED
]
"""Members, and how the message begins."""

MALFORMED = [
    (b"{", "request body: not JSON"),
    (b"[1]", "request body: not a JSON object"),
    (b'{"start_ip": "10.0.0.1", "start_ip": "10.0.0.2"}', "start_ip: given twice"),
]
"""Bodies, and how the message begins."""
