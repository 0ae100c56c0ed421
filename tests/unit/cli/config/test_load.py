"""Files as routers and people write them, and what is said about those that are wrong."""

from __future__ import annotations

import pytest

from flowexport_mgmt.cli.commands.lines import Scene, read_line
from flowexport_mgmt.cli.config.load import read
from flowexport_mgmt.cli.config.render import Tree, set_lines
from flowexport_mgmt.cli.grammar.words import UsageError
from flowexport_mgmt.cli.session.replies import NETCONF
from flowexport_mgmt.schema.grammar import Grammar

REFERENCE = """
/* how the reference writes it */
flow-export {
    collector NOC {
        address 192.0.2.10;
        port 6343;
        protocol sflow;
        polling-interval 20;
        sub-agent-id 0;
        agent-address 192.0.2.1;
    }
    collector archive { address 2001:db8::1; port 2055; protocol netflow9; template-refresh 600; }
    sampling {
        interface eth0 {
            rate 1000;
            trunc-size 128;
            group 1;
        }
    }
    conntrack {
        enabled true;
        active-timeout 60;
    }
}
"""
SAID = [
    "set flow-export collector NOC address 192.0.2.10",
    "set flow-export collector NOC agent-address 192.0.2.1",
    "set flow-export collector NOC polling-interval 20",
    "set flow-export collector NOC port 6343",
    "set flow-export collector NOC protocol sflow",
    "set flow-export collector NOC sub-agent-id 0",
    "set flow-export collector archive address 2001:db8::1",
    "set flow-export collector archive port 2055",
    "set flow-export collector archive protocol netflow9",
    "set flow-export collector archive template-refresh 600",
    "set flow-export conntrack active-timeout 60",
    "set flow-export conntrack enabled true",
    "set flow-export sampling interface eth0 group 1",
    "set flow-export sampling interface eth0 rate 1000",
    "set flow-export sampling interface eth0 trunc-size 128",
]
ONE = ["set flow-export collector a address 192.0.2.1", "set flow-export collector a port 9"]
COMMENTED = (
    "# a\nset flow-export collector a address 192.0.2.1\n\nset flow-export collector a port 9"
)
JSON_ENTRY = '{"name": "a", "address": "192.0.2.1", "port": 9}'
XML = (
    '<flow-export xmlns="urn:flowexport:flow-export"><collector><name>a</name>'
    "<address>192.0.2.1</address><port>9</port></collector></flow-export>"
)


def said(text: str, grammar: Grammar, level: str = "") -> list[str]:
    start = read_line(f"show configuration {level}", Scene(grammar)).path
    document = read(text, grammar, start)
    return sorted(set_lines(Tree.whole(document.root, grammar)))


def test_a_reference_configuration_loads_as_it_stands(grammar: Grammar) -> None:
    assert said(REFERENCE, grammar) == SAID


def test_without_semicolons(grammar: Grammar) -> None:
    assert said(REFERENCE.replace(";", "\n"), grammar) == SAID


@pytest.mark.parametrize(
    "text",
    [
        "flow-export { collector a { address 192.0.2.1; port 9; } }",
        "flow-export{collector a{address 192.0.2.1;port 9}}",
        'flow-export {\n collector "a"\n {\n address "192.0.2.1"\n port 9\n }\n}',
        "flow-export { collector { name a; address 192.0.2.1; port 9; } }",
        "flow-export { collector { a { address 192.0.2.1; port 9; } } }",
        "flow-export collector a { address 192.0.2.1; port 9; } # and a comment",
        "flow-export { // one\n collector 'a' { /* two\n lines */ address 192.0.2.1; port 9; } }",
        "flow-export { collector a address 192.0.2.1 port 9; }",
        "set flow-export collector a address 192.0.2.1 port 9",
        COMMENTED,
        f'{{"flow-export:flow-export": {{"collector": [{JSON_ENTRY}]}}}}',
        f'{{"flow-export": {{"collector": [{JSON_ENTRY}]}}}}',
        XML,
        f"<?xml version='1.0'?><config xmlns='{NETCONF}'>{XML}</config>",
    ],
)
def test_forms_of_the_same(grammar: Grammar, text: str) -> None:
    assert said(text, grammar) == ONE


def test_below_a_level(grammar: Grammar) -> None:
    level = "flow-export collector a"
    assert said("address 192.0.2.1; port 9;", grammar, level) == ONE
    assert said("set address 192.0.2.1 port 9", grammar, level) == ONE
    assert said('{"address": "192.0.2.1", "port": 9}', grammar, level) == ONE


@pytest.mark.parametrize(
    ("text", "value"),
    [("enabled;", "true"), ("enabled yes;", "true"), ("enabled disable;", "false")],
)
def test_truth_values_as_routers_write_them(grammar: Grammar, text: str, value: str) -> None:
    found = said(f"flow-export {{ conntrack {{ {text} }} }}", grammar)
    assert found == [f"set flow-export conntrack enabled {value}"]


def test_lists_of_values(grammar: Grammar) -> None:
    text = "flow-export { conntrack { zone [ 1 2\n 3 ]; zone 4; } }"
    zones = [f"set flow-export conntrack zone {zone}" for zone in (1, 2, 3, 4)]
    assert said(text, grammar) == zones


def test_an_identity_may_lack_its_module(grammar: Grammar) -> None:
    text = "server { netconf { tls { cert-to-name 1 { fingerprint 04:ab; map-type san-any; } } } }"
    found = said(text, grammar)[-1]
    assert found.endswith("map-type ietf-x509-cert-to-name:san-any")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flow-export {\n  collector a {\n    prt 9;\n  }\n}", "line 3: unknown word 'prt'"),
        ("flow-export {\n  collector a {", "line 2: this block does not end"),
        ("flow-export { } }", "line 1: there is no block that this brace ends"),
        ('flow-export { collector "a }', "line 1: the quote is not closed"),
        ("{ collector a; }", "line 1: a block without a name"),
        ("flow-export { collector { address 192.0.2.1; } }", "unknown word|is missing|expected"),
        ("flow-export { collector a { port { x; } } }", "port is a leaf and has no block"),
        ("flow-export { collector a { statistics { errors 1; } } }", "unknown word 'statistics'"),
        ("a { " * 80 + "}" * 80, "unknown word 'a'|more than 64 blocks"),
        ("set flow-export\nset flow-export collector a prt 9", "line 2: unknown word 'prt'"),
        ("set flow-export\nhello", "line 2: unknown word 'hello'"),
        ("[1]", "a block without|unknown word"),
        ('{"flow-export": {"collector": {"name": "a"}}}', "flow-export: collector: an array"),
        ('{"flow-export": {"collector": [{"port": 9}]}}', "an entry has no name"),
        ('{"flow-export": {"kollektor": []}}', "kollektor: unknown word"),
        ('{"flow-export"', "no JSON"),
        ("<flow-export", "no XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "no XML"),
        ("<unheard/>", "unheard: unknown, or no configuration"),
    ],
)
def test_a_text_that_is_wrong(grammar: Grammar, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(text, grammar)


def test_a_caret_in_a_file(grammar: Grammar) -> None:
    with pytest.raises(UsageError) as caught:
        read("flow-export {\n  collector a {\n    port 9; prt 10;\n  }\n}", grammar)
    _, line, caret = str(caught.value).split("\n")
    assert (line, caret.index("^")) == ("    port 9; prt 10;", 12)
