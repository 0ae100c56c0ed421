"""Datagrams that other programs made or decoded: our decoder and theirs read the same."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.support.vectors import OBJECTS, Vector, encode, read_vectors
from tests.support.wire import decode, fault_codes

from flowexport_mgmt.wire.messages import Record, Value

VECTORS = read_vectors()
OWN = {name: vector for name, vector in VECTORS.items() if vector.object is not None}
FOREIGN = {name: vector for name, vector in VECTORS.items() if vector.object is None}

# sFlow has no unknown counter of tshark's: it shows the number.
ALL_ONES = {2**32 - 1, 2**64 - 1}


def records_of(vector: Vector) -> list[Record]:
    return [record for message in decode(vector.datagrams) for record in message.records]


def shown(fields: Mapping[str, Value], theirs: Mapping[str, int | str]) -> dict[str, Value]:
    """Give our fields that the other program names too, unknown counters as it shows them."""
    return {
        name: value if fields[name] is None and value in ALL_ONES else fields[name]
        for name, value in theirs.items()
    }


def test_there_are_vectors_of_each_kind() -> None:
    assert set(OWN) == set(OBJECTS)
    assert len(FOREIGN) >= 3


@pytest.mark.parametrize("name", VECTORS)
def test_both_decoders_read_the_same(name: str) -> None:
    vector = VECTORS[name]
    ours = records_of(vector)
    assert vector.records
    assert [
        shown(record.fields, theirs) for record, theirs in zip(ours, vector.records, strict=True)
    ] == vector.records


@pytest.mark.parametrize("name", OWN)
def test_what_is_encoded_is_what_was_decoded_then(name: str) -> None:
    vector = OWN[name]
    assert vector.object is not None
    assert [bytes(data).hex() for data in encode(vector.object)] == [
        data.hex() for data in vector.datagrams
    ]


@pytest.mark.parametrize("name", OWN)
def test_what_we_send_is_without_fault(name: str) -> None:
    assert fault_codes(decode(OWN[name].datagrams)) == []
