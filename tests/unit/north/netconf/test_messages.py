"""Parsing what clients send and rendering what they get, without a session."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from flowexport_mgmt.errors import DecodeError, ErrorTag, ErrorType, Fault, ManagementError
from flowexport_mgmt.north.netconf import documents, hello
from flowexport_mgmt.north.netconf.names import BASE, attributes_of, base
from flowexport_mgmt.north.netconf.replies import Data, Errors, Ok
from flowexport_mgmt.north.netconf.rpc import Envelope, Rpc
from flowexport_mgmt.schema.context import ModuleInfo
from flowexport_mgmt.wire.netconf import Framing

LAUGHS = b"""<!DOCTYPE rpc [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><rpc>&b;</rpc>"""


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"<rpc>",
        b"<rpc></rcp>",
        b"<rpc>\xff</rpc>",
        b'<?xml version="1.0" encoding="latin-1"?><rpc>\xe9</rpc>',
        "<rpc/>".encode("utf-16"),
        b"<rpc>&nosuch;</rpc>",
        b"<!DOCTYPE rpc><rpc/>",
        b"\xef\xbb\xbf<!DOCTYPE rpc [<!ENTITY a 'ha'>]><rpc b='&a;'/>",
        b'<?xml version="1.0"?><!-- a --><?p i?>\n<!DOCTYPE rpc SYSTEM "file:///etc/passwd"><rpc/>',
        LAUGHS,
        b"<a>" * 300 + b"</a>" * 300,
        b"<rpc/><rpc/>",
        b"<a:rpc/>",
        b"<rpc x:='1'/>",
        b"<rpc x:='1' xml:space='odd'/>",  # an error with a warning behind it
        b"<rpc><a:get/><b xmlns='relative'/></rpc>",
    ],
    ids=range(17),
)
def test_what_is_no_message_is_malformed(message: bytes) -> None:
    with pytest.raises(ManagementError) as caught:
        documents.parse(message)
    (fault,) = caught.value.faults
    assert (fault.tag, fault.type) == (ErrorTag.MALFORMED_MESSAGE, ErrorType.RPC)


@given(
    st.one_of(
        st.binary(max_size=60),
        st.text(alphabet="<>/!?-[]&;:=' \"arDOCTYPE\0\n", max_size=60).map(str.encode),
    )
)
def test_any_octets_are_parsed_or_malformed(message: bytes) -> None:
    with contextlib.suppress(ManagementError):
        documents.parse(message)


def test_comments_and_instructions_are_dropped_and_text_stays_whole() -> None:
    message = b" <?xml version='1.0'?><!-- <!DOCTYPE --><a><!-- x -->1<!-- y -->2<?p i?><b/></a>\n"
    element = documents.parse(message)
    assert (element.text, len(element)) == ("12", 1)


def test_a_doctype_in_character_data_is_only_text() -> None:
    assert documents.parse(b"<a><![CDATA[<!DOCTYPE b>]]></a>").text == "<!DOCTYPE b>"


def test_the_reply_repeats_every_attribute_and_namespace() -> None:
    message = (
        f'<n:rpc xmlns:n="{BASE}" xmlns:x="urn:x" xmlns="urn:d" n:other="&lt;1&gt;" '
        'message-id="&quot;7&quot;" x:user="a&amp;b" xml:lang="de"><n:get/></n:rpc>'
    )
    rpc = Rpc.read(documents.parse(message.encode()))
    reply = etree.fromstring(rpc.envelope.wrap(Ok().render(rpc.envelope)))
    assert reply.tag == base("rpc-reply")
    assert attributes_of(reply) == {
        base("other"): "<1>",
        "message-id": '"7"',
        "{urn:x}user": "a&b",
        "{http://www.w3.org/XML/1998/namespace}lang": "de",
    }
    assert reply.nsmap == {"n": BASE, "x": "urn:x", None: "urn:d"}
    assert [child.tag for child in reply] == [base("ok")]


@pytest.mark.parametrize(
    ("content", "tag", "info"),
    [
        (
            f'<rpc xmlns="{BASE}"><get/></rpc>',
            ErrorTag.MISSING_ATTRIBUTE,
            {"bad-attribute": "message-id", "bad-element": "rpc"},
        ),
        (
            f'<rpc xmlns="{BASE}" message-id="1"/>',
            ErrorTag.MISSING_ELEMENT,
            {"bad-element": "operation"},
        ),
        (
            f'<rpc xmlns="{BASE}" message-id="1"><get/><lock/></rpc>',
            ErrorTag.BAD_ELEMENT,
            {"bad-element": "lock"},
        ),
    ],
)
def test_an_rpc_has_a_message_id_and_one_operation(
    content: str, tag: ErrorTag, info: dict[str, str]
) -> None:
    with pytest.raises(ManagementError) as caught:
        Rpc.read(documents.parse(content.encode()))
    (fault,) = caught.value.faults
    assert (fault.type, fault.tag, fault.info) == (ErrorType.RPC, tag, info)


def test_data_with_and_without_content() -> None:
    assert Data(b"").render(Envelope()) == b"<data/>"
    assert Data(b'<a xmlns="urn:a"/>').render(Envelope("nc")) == (
        b'<nc:data><a xmlns="urn:a"/></nc:data>'
    )


def test_every_fault_is_rendered_with_the_prefixes_of_its_path_declared() -> None:
    faults = (
        Fault(
            tag=ErrorTag.OPERATION_FAILED,
            message="not \x01 <unique>",
            app_tag="data-not-unique",
            path="/a:top/b:list[b:name='c:x']/b:leaf",
            info={"non-unique": "/a:top/a:leaf\n/a:top/a:other", "bad-element": "leaf"},
        ),
        Fault(tag=ErrorTag.LOCK_DENIED, message="", type=ErrorType.PROTOCOL),
    )
    errors = Errors(faults, {"a": "urn:a", "b": "urn:b", "c": "urn:c"})
    reply = etree.fromstring(Envelope().wrap(errors.render(Envelope())))
    first, second = reply
    assert [(e.tag, e.text) for e in first][:3] == [
        (base("error-type"), "application"),
        (base("error-tag"), "operation-failed"),
        (base("error-severity"), "error"),
    ]
    assert first.findtext(base("error-app-tag")) == "data-not-unique"
    path = first.find(base("error-path"))
    assert path is not None
    assert path.text == "/a:top/b:list[b:name='c:x']/b:leaf"
    assert path.nsmap == {None: BASE, "a": "urn:a", "b": "urn:b"}
    message = first.find(base("error-message"))
    assert message is not None
    assert message.text == f"{path.text}: not \N{REPLACEMENT CHARACTER} <unique>"
    assert attributes_of(message) == {"{http://www.w3.org/XML/1998/namespace}lang": "en"}
    info = first.find(base("error-info"))
    assert info is not None
    assert [(e.tag, e.text) for e in info] == [
        ("{urn:ietf:params:xml:ns:yang:1}non-unique", "/a:top/a:leaf"),
        ("{urn:ietf:params:xml:ns:yang:1}non-unique", "/a:top/a:other"),
        (base("bad-element"), "leaf"),
    ]
    assert [(e.tag, e.text) for e in second] == [
        (base("error-type"), "protocol"),
        (base("error-tag"), "lock-denied"),
        (base("error-severity"), "error"),
    ]


# -- hello


def client_hello(*capabilities: str, more: str = "") -> bytes:
    listed = "".join(f"<capability>\n {c} </capability>" for c in capabilities)
    return f'<hello xmlns="{BASE}"><capabilities>{listed}</capabilities>{more}</hello>'.encode()


def test_the_highest_common_base_decides_the_framing() -> None:
    assert hello.read_hello(client_hello(hello.BASE_1_0)) is Framing.END_OF_MESSAGE
    assert hello.read_hello(client_hello(hello.BASE_1_0, hello.BASE_1_1)) is Framing.CHUNKED
    assert hello.read_hello(client_hello(hello.BASE_1_1, "urn:x")) is Framing.CHUNKED


@pytest.mark.parametrize(
    "message",
    [
        client_hello(),
        client_hello("urn:ietf:params:netconf:base:1.2"),
        client_hello(hello.BASE_1_1, more="<session-id>4</session-id>"),
        f'<rpc xmlns="{BASE}" message-id="1"><get/></rpc>'.encode(),
        b"<hello/>",
        b"<hello",
    ],
)
def test_a_bad_hello_is_refused(message: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        hello.read_hello(message)
    assert caught.value.code == "hello"


def test_our_hello_lists_what_works_and_the_modules() -> None:
    modules = [
        ModuleInfo("m", "2026-01-02", "urn:m", "m", ("f", "g"), ("d",), implemented=True),
        ModuleInfo("types", "2026-01-02", "urn:types", "t", (), (), implemented=False),
    ]
    named = hello.capabilities(modules, "ab&c")
    element = documents.parse(hello.render_hello(named, 7))
    assert element.findtext(base("session-id")) == "7"
    listed = [c.text for c in element.iterfind(f"{base('capabilities')}/{base('capability')}")]
    assert listed == list(named)
    assert "urn:m?module=m&revision=2026-01-02&features=f,g&deviations=d" in listed
    library = "urn:ietf:params:netconf:capability:yang-library:1.1"
    assert f"{library}?revision=2019-01-04&content-id=ab%26c" in listed
    assert not [c for c in listed if c and c.startswith("urn:types")]
    assert not [c for c in listed if c and "startup" in c]
