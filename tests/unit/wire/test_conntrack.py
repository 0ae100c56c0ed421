"""ctnetlink messages: as the kernel wrote them, as we write them, and broken."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import replace
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.conntrack import make_tuple

from flowexport_mgmt.errors import DecodeError, EncodeError
from flowexport_mgmt.wire import conntrack
from flowexport_mgmt.wire.conntrack import Decoder, Entries, Entry, encode_entry
from flowexport_mgmt.wire.conntrack import numbers as n

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors" / "conntrack" / "linux.json").read_text()
)["messages"]
ENTRY = Entry(original=make_tuple(1), reply=make_tuple(1).invert(), id=5, times_ns=(9,))
_STATES = {6: ("NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE"),
           132: "NONE CLOSED COOKIE_WAIT COOKIE_ECHOED ESTABLISHED"}  # fmt: skip


def decode(*messages: bytes, decoder: Decoder | None = None) -> list[Entries]:
    """Decode messages that stand one after the other."""
    lengths = [len(message) for message in messages]
    octets = np.frombuffer(bytearray(b"".join(messages)), np.uint8)
    said = [int.from_bytes(message[:4], "little") for message in messages]
    offsets = np.cumsum([0, *lengths[:-1]]).astype(np.intp)
    return (decoder or Decoder()).decode(octets, offsets, np.array(said, np.uint32))


def row(entries: Entries, place: int = 0) -> dict[str, Any]:
    """Give one row as conntrack(8) writes it."""
    counters = entries.counters()[place].tolist()
    found = {"id": entries.column("id")[place], "zone": entries.zones()[place]}
    for prefix, counted in (("", counters[:2]), ("reply_", counters[2:])):
        found[f"{prefix}bytes"], found[f"{prefix}packets"] = counted
        for name in ("src", "dst"):
            found[f"{prefix}{name}"] = _address(entries.addresses(prefix + name)[place])
        for name, column in (("sport", "src_port"), ("dport", "dst_port"), ("icmp_id", "icmp_id"),
                             ("type", "icmp_type"), ("code", "icmp_code")):  # fmt: skip
            if entries.has(prefix + column):
                found[prefix + name] = entries.column(prefix + column)[place]
    return {name: str(value) for name, value in found.items()}


def _address(value: Any) -> str:
    if value.ndim:
        return str(IPv6Address(int(value[0]) << 64 | int(value[1])))
    return str(ip_address(int(value)))


def said(line: str) -> dict[str, str]:
    """Read a line of conntrack(8): each direction has its src, dst and so on."""
    found: dict[str, str] = {"zone": "0"}
    prefix = ""
    pairs = re.findall(r"(\w+)=(\S+)", line)
    for name, value in pairs[:-1]:
        if name == "src" and "src" in found:
            prefix = "reply_"
        key = "icmp_id" if name == "id" else name
        if key in {"zone", "mark", "use", "time"}:
            prefix = ""
        found[prefix + key] = value
    found["id"] = pairs[-1][1]
    return {
        name: value for name, value in found.items() if name not in {"mark", "use", "time", "start"}
    }


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["said"][:20].strip())
def test_what_the_kernel_wrote_is_what_conntrack_says(vector: dict[str, str]) -> None:
    (entries,) = decode(bytes.fromhex(vector["hex"]))
    assert row(entries) == said(vector["said"])
    words = vector["said"].split()
    assert entries.column("protocol").tolist() == [int(words[3])]
    assert entries.version == (4 if words[0] == "ipv4" else 6)
    assert entries.has("start_ns")
    assert entries.ended == entries.has("stop_ns")
    if not entries.ended:
        assert entries.column("timeout")[0] <= int(words[4]) + 1
    for protocol, name in ((6, "tcp_state"), (132, "sctp_state")):
        if int(words[3]) == protocol:
            state = _STATES[protocol].split().index(words[5])
            assert entries.column(name).tolist() == [state]


def test_all_that_the_kernel_wrote_at_once() -> None:
    messages = [bytes.fromhex(vector["hex"]) for vector in VECTORS]
    found = decode(*messages)
    assert sum(map(len, found)) == len(messages)
    rows = sorted((row(entries, place)["id"], entries.ended) for entries in found
                  for place in range(len(entries)))  # fmt: skip
    expected = (said(vector["said"])["id"] for vector in VECTORS)
    assert rows == sorted(zip(expected, [message[4] == 2 for message in messages], strict=True))


def test_entries_of_a_layout_come_together_and_in_order() -> None:
    decoder = Decoder()
    many = [encode_entry(replace(ENTRY, id=number)) for number in range(100)]
    other = encode_entry(replace(ENTRY, id=7, zone=3))
    first, second = decode(*many[:50], other, *many[50:], decoder=decoder)
    assert first.column("id").tolist() == list(range(100))
    assert second.zones().tolist() == [3]
    again = decode(other, *many, decoder=decoder)
    assert sorted(map(len, again)) == [1, 100]


@pytest.mark.parametrize("place", ["both", "original", "reply"])
def test_zones_stand_in_three_places(place: str) -> None:
    entry = {
        "both": replace(ENTRY, zone=9),
        "original": replace(ENTRY, original=replace(ENTRY.original, zone=9)),
        "reply": replace(ENTRY, reply=replace(ENTRY.reply, zone=9)),
    }[place]
    (found,) = decode(encode_entry(entry))
    assert found.zones().tolist() == [9]


def test_counters_of_32_bits_and_none_at_all() -> None:
    counted = replace(ENTRY, counters=(1, 2), reply_counters=(3, 4))
    for narrow in (False, True):
        (found,) = decode(encode_entry(replace(counted, narrow=narrow)))
        assert found.counters().tolist() == [[2, 1, 4, 3]]
    (found,) = decode(encode_entry(replace(counted, counters=None, reply_counters=None)))
    assert found.counters().tolist() == [[0, 0, 0, 0]]
    with pytest.raises(EncodeError):
        encode_entry(replace(counted, counters=(1 << 32, 0), narrow=True))


def test_counters_and_times_have_64_bits() -> None:
    top = (1 << 64) - 1
    entry = replace(ENTRY, counters=(top, top - 1), times_ns=(top, 1), state=None)
    (found,) = decode(encode_entry(entry, ended=True))
    assert found.counters()[0, :2].tolist() == [top - 1, top]
    assert found.column("start_ns").tolist() == [top]
    assert found.column("stop_ns").tolist() == [1]
    assert found.ended


def test_layouts_are_bounded_and_no_message_is_lost() -> None:
    decoder = Decoder(max_layouts=2)
    messages = [
        encode_entry(replace(ENTRY, id=number, zone=zone, timeout=timeout))
        for number, (zone, timeout) in enumerate(((None, 1), (1, 1), (None, None), (1, None)) * 5)
    ]
    for _ in range(2):
        found = decode(*messages, decoder=decoder)
        ids = sorted(number for entries in found for number in entries.column("id").tolist())
        assert ids == list(range(20))
    assert decoder.layouts == 2


def attribute(kind: int, value: bytes, length: int | None = None) -> bytes:
    size = 4 + len(value) if length is None else length
    return struct.pack("=HH", size, kind) + value + bytes(-len(value) % 4)


def message(attributes: bytes, family: int = 2, length: int | None = None) -> bytes:
    size = 20 + len(attributes) if length is None else length
    return struct.pack("=IHHIIBBH", size, n.CT_NEW, 2, 0, 0, family, 0, 0) + attributes


SOUND = encode_entry(ENTRY)
BODY = SOUND[20:]


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (message(BODY, family=7), "address-family"),
        (message(BODY, family=10), "address-family"),
        (message(b""), "missing-attribute"),
        (message(BODY + attribute(n.ID, bytes(4))), "duplicate-attribute"),
        (message(BODY + attribute(n.MARK, bytes(4), length=3)), "attribute-length"),
        (message(BODY + attribute(99, bytes(4), length=0)), "attribute-length"),
        (message(BODY + attribute(99, bytes(4), length=12)), "attribute-length"),
        (message(BODY + attribute(n.ZONE, bytes(4))), "attribute-length"),
        (message(BODY + attribute(n.TIMESTAMP, b"\x05\0\x01")), "trailing-octets"),
        (message(BODY + bytes(4), length=20 + len(BODY) + 2), "trailing-octets"),
        (SOUND[:20] + bytes(4), "message-length"),
    ],
)  # fmt: skip
def test_what_breaks_the_rules_is_refused(broken: bytes, code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(broken)
    assert caught.value.code == code


def test_unknown_attributes_are_passed_over() -> None:
    (found,) = decode(message(attribute(200, b"abcde") + BODY + attribute(n.NESTED | 99, b"1")))
    assert row(found) == row(decode(SOUND)[0])


@given(st.data())
def test_whatever_changes_it_decodes_or_is_refused(data: st.DataObject) -> None:
    broken = bytearray(bytes.fromhex(data.draw(st.sampled_from(VECTORS))["hex"]))
    for place in data.draw(st.lists(st.integers(0, len(broken) - 1), max_size=4)):
        broken[place] = data.draw(st.integers(0, 255))
    decoder = Decoder()
    for _ in range(2):  # learned, and from a layout
        try:
            found = decode(SOUND, bytes(broken), SOUND, decoder=decoder)
        except DecodeError:
            continue
        assert sum(map(len, found)) == 3


def _split(data: bytes, sequence: int = 77) -> conntrack.Messages:
    return conntrack.split(np.frombuffer(bytearray(data), np.uint8), sequence)


def test_messages_are_found_whatever_their_values_are() -> None:
    tricky = replace(ENTRY, id=77, mark=77 << 24, original=replace(ENTRY.original, src_port=77))
    data = [encode_entry(replace(tricky, id=number << 24), sequence=77) for number in range(80)]
    stream = b"".join(data) + conntrack.encode_end(77, 5)
    found = _split(stream)
    assert len(found) == 81
    assert found.kinds.tolist() == [n.CT_NEW] * 80 + [n.NLMSG_DONE]
    assert found.lengths.tolist() == [len(one) for one in data] + [20]
    end = int(found.offsets[-1])
    assert conntrack.read_error(np.frombuffer(stream, np.uint8), end, 20) == 5


def test_messages_of_another_request_are_found_too() -> None:
    found = _split(encode_entry(ENTRY, sequence=1) + encode_entry(ENTRY, sequence=77))
    assert len(found) == 2


@pytest.mark.parametrize("length", [0, 15, 4096, 0xFFFFFFFF])
def test_messages_that_leave_the_buffer_are_refused(length: int) -> None:
    data = encode_entry(ENTRY) + struct.pack("=IHHII", length, 1, 0, 78, 0)
    with pytest.raises(DecodeError):
        _split(data)
    with pytest.raises(DecodeError):
        _split(data[:-3])


@given(st.binary(max_size=200))
def test_any_buffer_is_split_or_refused(data: bytes) -> None:
    try:
        found = _split(data)
    except DecodeError:
        return
    assert sum((int(length) + 3) // 4 * 4 for length in found.lengths) == len(data)
