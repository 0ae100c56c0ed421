from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from flowexport_mgmt.north.netconf.evaluation import Printed
from flowexport_mgmt.north.netconf.filters import FilterNode
from flowexport_mgmt.north.netconf.names import BASE
from flowexport_mgmt.north.netconf.selection import (
    Keys,
    Selection,
    print_selection,
    select_subtrees,
)
from flowexport_mgmt.north.netconf.xpath import Expression, ExpressionError

R, S = "urn:r", "urn:s"
XML = (
    b'<routing xmlns="urn:r">'
    b"<router><name>a</name><id>1</id><area><number>0</number><cost>5</cost></area>"
    b"<area><number>7</number><cost>9</cost></area><type xmlns:t='urn:types'>t:core</type></router>"
    b"<router><name>b</name><id>2</id><tag>x</tag><tag>y</tag></router>"
    b"</routing>"
    b'<system xmlns="urn:s"><name>host</name><note level="1">hi</note></system>'
)
KEYS: Keys = {
    (f"{{{R}}}routing", f"{{{R}}}router"): (f"{{{R}}}name",),
    (f"{{{R}}}routing", f"{{{R}}}router", f"{{{R}}}area"): (f"{{{R}}}number",),
}
DOCUMENT = Printed(XML)


def subtree(content: str) -> str:
    """Filter, and show the answer without its namespaces."""
    element = etree.fromstring(f'<filter xmlns="{BASE}">{content}</filter>')
    return plain(sent(FilterNode.read(element).select(DOCUMENT.data)))


def sent(selection: Selection | None) -> bytes:
    return print_selection(DOCUMENT.data, selection, KEYS)


def xpath(expression: str) -> str:
    found = read(expression).evaluate(DOCUMENT.data)
    assert not isinstance(found, bool)
    return plain(sent(select_subtrees(DOCUMENT.data, found)))


def read(expression: str) -> Expression:
    return Expression(expression, {"r": R, "s": S})


def plain(xml: bytes) -> str:
    root = etree.fromstring(b"<data>" + xml + b"</data>")
    return "".join(map(_plain, root))


def _plain(element: etree._Element) -> str:
    name = etree.QName(element).localname
    return f"{name}({element.text or ''}{' '.join(map(_plain, element))})"


A = "router(name(a) id(1) area(number(0) cost(5)) area(number(7) cost(9)) type(t:core))"
B = "router(name(b) id(2) tag(x) tag(y))"
SYSTEM = "system(name(host) note(hi))"


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        pytest.param("", "", id="empty filter"),
        pytest.param('<routing xmlns="urn:r"/>', f"routing({A} {B})", id="selection"),
        pytest.param("<routing/>", f"routing({A} {B})", id="inherited namespace matches all"),
        pytest.param('<routing xmlns=""/>', f"routing({A} {B})", id="no namespace matches all"),
        pytest.param('<routing xmlns="urn:s"/>', "", id="wrong namespace"),
        pytest.param('<nothing xmlns="urn:r"/>', "", id="no such node"),
        pytest.param(
            '<system xmlns="urn:s"/><routing xmlns="urn:r"><router><name>b</name></router>'
            "</routing>",
            f"routing({B}){SYSTEM}",
            id="several subtrees in the order of the data",
        ),
        pytest.param(
            '<routing xmlns="urn:r"><router><name/></router></routing>',
            "routing(router(name(a)) router(name(b)))",
            id="only keys",
        ),
        pytest.param(
            '<routing xmlns="urn:r"><router><id/></router></routing>',
            "routing(router(name(a) id(1)) router(name(b) id(2)))",
            id="keys are added to a selection",
        ),
        pytest.param(
            '<routing xmlns="urn:r"><router><id>2</id></router></routing>',
            f"routing({B})",
            id="content match alone gives the whole sibling set",
        ),
        pytest.param(
            '<routing xmlns="urn:r"><router><id> 2\n</id><tag/></router></routing>',
            "routing(router(name(b) id(2) tag(x) tag(y)))",
            id="content match and selection",
        ),
        pytest.param(
            '<routing xmlns="urn:r"><router><name>a</name><id>2</id></router></routing>',
            "",
            id="content matches must all hold",
        ),
        pytest.param(
            '<routing xmlns="urn:r"><router><name>a</name></router>'
            "<router><name>b</name><id/></router></routing>",
            f"routing({A} router(name(b) id(2)))",
            id="two entries, one whole and one in part",
        ),
        pytest.param(
            '<routing xmlns="urn:r"><router><id/></router><router><name>b</name></router>'
            "</routing>",
            f"routing(router(name(a) id(1)) {B})",
            id="a part and the whole of one entry give the whole",
        ),
        pytest.param(
            '<routing xmlns="urn:r"><router><area><cost>9</cost></area></router></routing>',
            "routing(router(name(a) area(number(7) cost(9))))",
            id="content match two lists deep",
        ),
        pytest.param(
            '<routing xmlns="urn:r"><router><tag>y</tag><id/></router></routing>',
            "routing(router(name(b) id(2) tag(y)))",
            id="content match of one leaf-list entry",
        ),
        pytest.param(
            '<routing xmlns="urn:r"><router><name>b</name><area/></router></routing>',
            "routing(router(name(b)))",
            id="a content match is shown though the selection finds nothing",
        ),
        pytest.param(
            '<routing xmlns="urn:r"><router><ghost><a/></ghost></router></routing>',
            "",
            id="containers around nothing are left out",
        ),
        pytest.param(
            '<system xmlns="urn:s"><note level="1"/></system>',
            "system(note(hi))",
            id="attribute match",
        ),
        pytest.param(
            '<system xmlns="urn:s"><note level="2"/></system>', "", id="attribute differs"
        ),
        pytest.param(
            '<routing xmlns="urn:r"><router><type xmlns:q="urn:types">q:core</type><id/></router>'
            "</routing>",
            "routing(router(name(a) id(1) type(t:core)))",
            id="the same identity by another prefix",
        ),
        pytest.param(
            '<routing xmlns="urn:r"><router><type xmlns:t="urn:other">t:core</type></router>'
            "</routing>",
            "",
            id="another identity",
        ),
    ],
)
def test_subtree(content: str, answer: str) -> None:
    assert subtree(content) == answer


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("/r:routing", f"routing({A} {B})"),
        ("r:routing/r:router", f"routing({A} {B})"),
        ("/r:routing/r:router[r:name='b']", f"routing({B})"),
        ("/r:routing/r:router[2]/r:id", "routing(router(name(b) id(2)))"),
        ("//r:cost[. > 6]", "routing(router(name(a) area(number(7) cost(9))))"),
        ("/r:routing/r:router/r:tag[.='y']", "routing(router(name(b) tag(y)))"),
        ("/s:system/s:name | /r:routing/r:router[r:name='b']", f"routing({B})system(name(host))"),
        ("/r:routing/r:router[r:id = count(/r:routing/r:router)]", f"routing({B})"),
        ("/r:routing/r:router[r:id * 2 = 4 and not(r:area)]", f"routing({B})"),
        ("/s:system/s:note/@level", "system(note(hi))"),
        ("/s:system/s:name/text()", "system(name(host))"),
        ("/s:system/s:name/../s:note", "system(note(hi))"),
        ("/", f"routing({A} {B}){SYSTEM}"),
        ("/*", f"routing({A} {B}){SYSTEM}"),
        ("/ | /s:system", f"routing({A} {B}){SYSTEM}"),
        ("/r:nothing", ""),
        ('/r:routing/r:router[r:name="/s:system"]', ""),
    ],
)
def test_xpath(expression: str, answer: str) -> None:
    assert xpath(expression) == answer


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "/r:routing[",
        "/z:routing",
        "/r:routing/nosuch()",
        "/r:routing[$x]",
        "$data-root",
        "/r:routing'",
        "a" * 5000,
    ],
)
def test_a_bad_expression_is_told(expression: str) -> None:
    with pytest.raises(ExpressionError):
        xpath(expression)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 1", True),
        ("count(/r:nothing)", False),
        ("'text'", True),
        ("''", False),
        ("0 div 0", False),
        ("/r:routing = 1", False),
    ],
)
def test_what_is_no_set_of_nodes_is_a_boolean(expression: str, value: bool) -> None:
    assert read(expression).evaluate(DOCUMENT.data) is value


@pytest.mark.parametrize(
    ("expression", "quick"),
    [
        ("/r:routing", True),
        ("/r:routing/r:router[r:name='a'][2]/r:id", True),
        ("/r:routing/r:router[r:name='a' and r:id=1] | /s:system", True),
        ("//r:cost", False),
        ("/r:routing/r:router[r:name=r:id]", False),
        ("/r:routing/r:router[/r:routing]", False),
        ("/r:routing/r:router[r:area/r:cost]", False),
        ("/r:routing/r:router[r:area[r:cost=5]]", False),
        ("/r:routing[count(r:router) = 2]", False),
        ("/*", False),
        ("/r:routing/../s:system", False),
        (" | ".join(["/r:routing"] * 40), False),
    ],
)
def test_an_expression_is_quick_when_it_only_walks_down(expression: str, quick: bool) -> None:
    assert read(expression).is_quick is quick


@pytest.mark.parametrize(
    ("content", "paths"),
    [
        ("", ()),
        ('<routing xmlns="urn:r"/>', ("/routing",)),
        ('<routing xmlns="urn:r"><router><name>a</name></router></routing>', ("/routing/router",)),
        (
            "<routing><router><name>a</name><area/><id/></router></routing><system/>",
            ("/routing/router/area", "/routing/router/id", "/system"),
        ),
    ],
)
def test_a_subtree_filter_asks_only_for_the_state_that_it_can_show(
    content: str, paths: tuple[str, ...]
) -> None:
    element = etree.fromstring(f'<filter xmlns="{BASE}">{content}</filter>')
    assert FilterNode.read(element).paths == paths


@pytest.mark.parametrize(
    ("expression", "paths"),
    [
        ("/r:routing/r:router[r:name='a']/r:id", ("/routing",)),
        ("r:routing", ("/routing",)),
        ("/r:routing/r:router[r:id = /s:system/s:name]", ("/routing", "/system")),
        ("(/r:routing | /s:system)[1]", ("/routing", "/system")),
        ("//r:cost", ("/",)),
        ("/*", ("/",)),
        ("/r:routing/../s:system", ("/",)),
        ("child::r:routing", ("/",)),
    ],
)
def test_an_xpath_filter_asks_only_for_the_top_nodes_that_it_names(
    expression: str, paths: tuple[str, ...]
) -> None:
    assert read(expression).paths == paths


@given(st.text(alphabet="/:ra[]()=@'\"|*. 1<>-+,$!and", max_size=24))
def test_any_expression_gives_a_result_or_its_own_error(expression: str) -> None:
    with contextlib.suppress(ExpressionError):
        read(expression).evaluate(DOCUMENT.data)


def test_the_filtered_document_is_left_as_it_was() -> None:
    before = etree.tostring(DOCUMENT.data)
    subtree('<routing xmlns="urn:r"><router><id/></router></routing>')
    xpath("//r:cost")
    assert etree.tostring(DOCUMENT.data) == before


def test_a_value_keeps_the_prefix_that_it_needs() -> None:
    """The namespace of the prefix is the default one too, so that it looks superfluous."""
    document = Printed(b'<a xmlns="urn:a"><b xmlns:p="urn:a">p:x</b><c/></a>')
    found = Expression("/q:a/q:b", {"q": "urn:a"}).evaluate(document.data)
    assert not isinstance(found, bool)
    printed = print_selection(document.data, select_subtrees(document.data, found), {})
    assert printed == b'<a xmlns="urn:a"><b xmlns:p="urn:a">p:x</b></a>'


LISTS = frozenset(("/routing/router",))


@pytest.mark.parametrize(
    ("content", "requests"),
    [
        ("<routing/>", []),
        ("<routing><router/></routing>", [""]),
        ("<routing><router><id/></router></routing>", [""]),
        ("<routing><router><name>a</name><id/></router></routing>", ["[name='a']"]),
        (
            "<routing><router><name>a</name></router><router><name>b</name></router></routing>",
            ["[name='a']", "[name='b']"],
        ),
        ("<system><router><name>a</name></router></system>", []),
    ],
)
def test_subtree_filters_say_what_they_ask_of_a_list(content: str, requests: list[str]) -> None:
    element = etree.fromstring(f'<filter xmlns="{BASE}">{content}</filter>')
    asked = FilterNode.read(element).requests(LISTS)
    assert list(asked) == [f"/routing/router{each}" for each in requests]


@pytest.mark.parametrize(
    ("expression", "requests"),
    [
        ("/r:routing", []),
        ("/r:routing/r:router", [""]),
        ("/r:routing/r:router[r:name='a']/r:id", ["[name='a']"]),
        ("//r:router[ r:name = 'a' ] | //r:router[r:name='b']", ["[name='a']", "[name='b']"]),
        ("//r:router[r:id > 1]", [""]),
        ("/r:routing/r:routers | /r:router-x", []),
    ],
)
def test_expressions_say_what_they_ask_of_a_list(expression: str, requests: list[str]) -> None:
    asked = read(expression).requests(LISTS)
    assert asked == tuple(f"/routing/router{each}" for each in requests)
