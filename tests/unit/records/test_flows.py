from __future__ import annotations

import numpy as np
from tests.support.flows import NOW_MS, flow_batch

from flowexport_mgmt.records.flows import concatenate, unfold

ANSWERED: dict[str, int | str] = {
    "src": "10.0.0.1",
    "dst": "198.51.100.7",
    "src_port": 40_000,
    "dst_port": 443,
    "in_if": 2,
    "out_if": 3,
    "src_as": 64_512,
    "dst_as": 64_496,
    "next_hop": "203.0.113.1",
    "tcp_flags": 0x1B,
    "octets": 1000,
    "packets": 10,
    "reverse_octets": 90_000,
    "reverse_packets": 70,
}


def address(text: str) -> int:
    return int(flow_batch([{"src": text}]).src[0])


def test_a_batch_has_the_columns_that_are_known() -> None:
    batch = flow_batch([{"tos": 8}, {}])
    assert len(batch) == 2
    assert "tos" in dict(batch.columns())
    assert "vlan" not in dict(batch.columns())
    assert (batch.is_translated, batch.is_biflow, batch.is_sampled) == (False, False, False)


def test_rows_are_selected_in_all_columns() -> None:
    batch = flow_batch([{"src_port": port, "tos": port} for port in range(5)])
    for rows in (slice(1, 3), np.array([1, 2]), np.array([False, True, True, False, False])):
        chosen = batch.select(rows)
        assert chosen.src_port.tolist() == [1, 2]
        assert chosen.tos is not None
        assert chosen.tos.tolist() == [1, 2]
        assert len(chosen) == 2


def test_a_biflow_unfolds_into_a_record_for_each_direction() -> None:
    both = unfold(flow_batch([ANSWERED]))
    assert not both.is_biflow
    assert both.src.tolist() == [address("10.0.0.1"), address("198.51.100.7")]
    assert both.dst.tolist() == both.src.tolist()[::-1]
    assert both.src_port.tolist() == [40_000, 443]
    assert both.in_if.tolist() == [2, 3]
    assert both.octets.tolist() == [1000, 90_000]
    assert both.packets.tolist() == [10, 70]
    assert both.src_as is not None
    assert both.src_as.tolist() == [64_512, 64_496]
    assert both.start_ms.tolist() == [NOW_MS - 2000] * 2


def test_what_is_known_of_one_direction_is_not_told_of_the_other() -> None:
    both = unfold(flow_batch([ANSWERED]))
    assert both.next_hop is not None
    assert both.next_hop.tolist() == [address("203.0.113.1"), 0]
    assert both.tcp_flags is not None
    assert both.tcp_flags.tolist() == [0x1B, 0]


def test_a_direction_without_packets_makes_no_record() -> None:
    silent: dict[str, int | str] = {"reverse_octets": 0, "reverse_packets": 0}
    heard: dict[str, int | str] = {
        "octets": 0,
        "packets": 0,
        "reverse_octets": 5,
        "reverse_packets": 1,
    }
    both = unfold(flow_batch([{**ANSWERED, **silent}, {**ANSWERED, **heard}]))
    assert both.octets.tolist() == [1000, 5]
    assert both.src_port.tolist() == [40_000, 443]


def test_the_reverse_of_a_translated_flow_undoes_the_translation() -> None:
    translated: dict[str, int | str] = {
        **ANSWERED,
        "nat_src": "192.0.2.9",
        "nat_src_port": 61_000,
        "nat_dst": "198.51.100.8",
        "nat_dst_port": 8443,
    }
    reverse = unfold(flow_batch([translated])).select(slice(1, 2))
    assert reverse.nat_src is not None
    assert reverse.nat_dst is not None
    assert reverse.src.tolist() == [address("198.51.100.8")]
    assert reverse.dst.tolist() == [address("192.0.2.9")]
    assert (reverse.src_port.tolist(), reverse.dst_port.tolist()) == ([8443], [61_000])
    assert reverse.nat_src.tolist() == [address("198.51.100.7")]
    assert reverse.nat_dst.tolist() == [address("10.0.0.1")]
    assert reverse.nat_dst_port is not None
    assert reverse.nat_dst_port.tolist() == [40_000]


def test_the_reverse_of_a_request_is_its_answer() -> None:
    icmp = {"protocol": 1, "reverse_packets": 1}
    rows = [{**icmp, "icmp": type_ * 256} for type_ in (8, 0, 13, 17, 3)]
    reverse = unfold(flow_batch(rows)).select(slice(5, None))
    assert reverse.icmp is not None
    assert reverse.icmp.tolist() == [0, 8 * 256, 14 * 256, 18 * 256, 3 * 256]
    rows = [{"protocol": 58, "reverse_packets": 1, "icmp": 128 * 256}]
    reverse = unfold(flow_batch(rows, 6)).select(slice(1, None))
    assert reverse.icmp is not None
    assert reverse.icmp.tolist() == [129 * 256]


def test_batches_are_joined_although_one_knows_more() -> None:
    first = flow_batch([{"src": "2001:db8::1", "next_hop": "fe80::1"}], 6)
    second = flow_batch([{"src": "2001:db8::2", "vlan": 100}], 6)
    joined = concatenate(first, second)
    assert joined.src.shape == (2, 2)
    assert joined.next_hop is not None
    assert joined.next_hop[1].tolist() == [0, 0]
    assert joined.vlan is not None
    assert joined.vlan.tolist() == [0, 100]
