from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowexport_mgmt.errors import DecodeError, EncodeError
from flowexport_mgmt.wire.netconf import Decoder, Framing, encode

HELLO = b"<hello/>"


def resumed(framing: Framing, max_message: int = 1 << 20) -> Decoder:
    decoder = Decoder(max_message)
    assert decoder.feed(HELLO + b"]]>]]>") == [HELLO]
    assert decoder.resume(framing) == []
    return decoder


def test_the_hello_holds_back_what_follows_until_the_framing_is_known() -> None:
    decoder = Decoder()
    assert decoder.feed(HELLO + b"]]>]]>" + b"\n#4\n<a/>\n##\n\n#3\n<b/") == [HELLO]
    assert decoder.framing is None
    assert decoder.resume(Framing.CHUNKED) == [b"<a/>"]
    assert decoder.feed(b"\n#1\n>\n##\n") == [b"<b/>"]


def test_base_1_0_goes_on_with_end_of_message() -> None:
    decoder = Decoder()
    assert decoder.feed(HELLO + b"]]>]]><a/>]]>]]><b/>]]>") == [HELLO]
    assert decoder.resume(Framing.END_OF_MESSAGE) == [b"<a/>"]
    assert decoder.feed(b"]]>") == [b"<b/>"]


def test_the_chunks_of_rfc_6242_section_4_2() -> None:
    stream = (
        b'\n#4\n<rpc\n#18\n message-id="102"\n\n#79\n'
        b'     xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">\n  <close-session/>\n</rpc>\n##\n'
    )
    (message,) = resumed(Framing.CHUNKED).feed(stream)
    assert message == (
        b'<rpc message-id="102"\n     xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">\n'
        b"  <close-session/>\n</rpc>"
    )


@given(
    messages=st.lists(st.binary(min_size=1, max_size=60), max_size=5),
    cut=st.integers(min_value=1, max_value=9),
    framing=st.sampled_from(Framing),
)
def test_round_trip_in_reads_of_any_size(messages: list[bytes], cut: int, framing: Framing) -> None:
    messages = [message.replace(b"]", b"[") for message in messages]
    stream = HELLO + b"]]>]]>" + b"".join(encode(message, framing) for message in messages)
    decoder = Decoder()
    found: list[bytes] = []
    for start in range(0, len(stream), cut):
        found += decoder.feed(stream[start : start + cut])
        if decoder.framing is None:
            found += decoder.resume(framing)
    assert found == [HELLO, *messages]


@pytest.mark.parametrize(
    "stream",
    [
        b"<rpc/>",
        b"\n\n#4\n",
        b"\n#0\n",
        b"\n#04\n",
        b"\n#-1\n",
        b"\n#4 \n",
        b"\n#x",
        b"\n##\n",  # a message has at least one chunk
        b"\n#4294967296\n",
        b"\n#12345678901",
        b"\n#4\n<a/>\n##x",
        b"\n#4\n<a/>##\n",
        b"\n#3\n<a/>\n##\n",
        b"\n#4\n<a/>\n#\n",
    ],
)
def test_a_bad_chunk_header_is_refused(stream: bytes) -> None:
    decoder = resumed(Framing.CHUNKED)
    decoder.feed(stream)
    assert failure(decoder).code == "chunk-header"


def failure(decoder: Decoder) -> DecodeError:
    assert decoder.failure is not None
    return decoder.failure


def test_a_bad_header_is_refused_as_soon_as_it_cannot_become_a_good_one() -> None:
    decoder = resumed(Framing.CHUNKED)
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"#") == []
    assert decoder.failure is None
    assert decoder.feed(b"a") == []
    assert failure(decoder).offset == len(HELLO) + 6


@pytest.mark.parametrize("broken", [b"\n#0\n", b"\n#101\n"], ids=["header", "size"])
def test_the_messages_before_a_broken_frame_are_given(broken: bytes) -> None:
    whole = encode(b"<a/>", Framing.CHUNKED) + encode(b"<b/>", Framing.CHUNKED)
    decoder = resumed(Framing.CHUNKED, 100)
    assert decoder.feed(whole + broken + whole) == [b"<a/>", b"<b/>"]
    assert decoder.failure is not None
    assert decoder.feed(whole) == []
    late = Decoder(100)
    assert late.feed(HELLO + b"]]>]]>" + whole + broken) == [HELLO]
    assert late.resume(Framing.CHUNKED) == [b"<a/>", b"<b/>"]
    assert late.failure is not None


@given(st.binary(max_size=40))
def test_any_bytes_give_messages_or_a_failure(stream: bytes) -> None:
    decoder = resumed(Framing.CHUNKED, max_message=16)
    assert all(0 < len(message) <= 16 for message in decoder.feed(stream))


def test_an_oversized_message_is_refused_before_it_has_come() -> None:
    decoder = resumed(Framing.CHUNKED, 100)
    decoder.feed(b"\n#101\n")
    assert failure(decoder).code == "message-size"
    decoder = resumed(Framing.CHUNKED, 100)
    decoder.feed(b"\n#60\n" + b"x" * 60)
    decoder.feed(b"\n#41\n")
    assert "longer than 100 octets" in str(failure(decoder))
    decoder = resumed(Framing.END_OF_MESSAGE, 100)
    decoder.feed(b"x" * 106)
    assert failure(decoder).code == "message-size"
    decoder = Decoder(10)
    decoder.feed(b"x" * 11 + b"]]>]]>")
    assert failure(decoder).code == "message-size"


def test_a_message_of_just_the_limit_is_taken() -> None:
    assert resumed(Framing.CHUNKED, 100).feed(encode(b"x" * 100, Framing.CHUNKED)) == [b"x" * 100]
    framed = encode(b"x" * 100, Framing.END_OF_MESSAGE)
    assert resumed(Framing.END_OF_MESSAGE, 100).feed(framed) == [b"x" * 100]


def test_what_waits_behind_the_hello_is_bounded() -> None:
    decoder = Decoder(10)
    decoder.feed(HELLO + b"]]>]]>")
    decoder.feed(b"x" * 11)
    assert failure(decoder).code == "message-size"


def test_many_messages_behind_the_hello_are_not_one() -> None:
    decoder = Decoder(10)
    whole = encode(b"<a/>", Framing.CHUNKED) * 5
    assert decoder.feed(HELLO + b"]]>]]>" + whole) == [HELLO]
    assert decoder.resume(Framing.CHUNKED) == [b"<a/>"] * 5


def test_what_cannot_be_framed_is_refused() -> None:
    with pytest.raises(EncodeError):
        encode(b"a]]>]]>b", Framing.END_OF_MESSAGE)
    with pytest.raises(EncodeError):
        encode(b"", Framing.CHUNKED)
