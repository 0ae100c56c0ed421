"""The pipe that adds the AS of the origin to each address, asked of the daemon's routes."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.unit.cli.conftest import StartPeer
from tests.unit.cli.peer import REPLY
from tests.unit.cli.test_main import FLOWS

from flowexport_mgmt.cli.commands.expecting import expect
from flowexport_mgmt.cli.commands.lines import Scene, read_line
from flowexport_mgmt.cli.grammar.words import UsageError, split
from flowexport_mgmt.cli.main import main
from flowexport_mgmt.schema.grammar import Grammar
from flowexport_mgmt.wire.netconf import Framing, encode

ROUTE = """<route xmlns="urn:flowexport:flow-export"><address>10.0.0.2</address>
  <prefix>10.0.0.2/31</prefix><origin-as>64500</origin-as></route>"""
REFUSED = """<rpc-error><error-type>application</error-type><error-tag>operation-failed</error-tag>
  <error-severity>error</error-severity><error-message>no routes</error-message></rpc-error>"""


@pytest.fixture
def old(grammar: Grammar) -> Scene:
    """A daemon of a version that cannot be asked for routes."""
    known = tuple(rpc for rpc in grammar.operations if rpc.name != "lookup-routes")
    return Scene(msgspec.structs.replace(grammar, operations=known))


def serve(start_peer: StartPeer, flows: str, answer: str) -> list[bytes]:
    asked: list[bytes] = []

    def give(request: bytes) -> bytes:
        asked.append(request)
        content = answer if b"lookup-routes" in request else flows
        return encode(REPLY.format(content).encode(), Framing.CHUNKED)

    start_peer(give)
    return asked


@pytest.fixture
def socket(socket_path: object) -> str:
    return str(socket_path)


def test_the_origin_stands_beside_the_address(
    start_peer: StartPeer, socket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = serve(start_peer, FLOWS, ROUTE)
    assert main(["--socket", socket, "-c", "show flow recent | origin"]) == 0
    (flow,) = json.loads(capsys.readouterr().out)
    assert flow["dst-address-origin-as"] == 64500
    assert "src-address-origin-as" not in flow  # no route
    assert list(flow).index("dst-address-origin-as") == list(flow).index("dst-address") + 1
    assert len(asked) == 2
    assert asked[1].count(b"address>10.0.0.1</") == asked[1].count(b"address>10.0.0.2</") == 1


def test_many_addresses_are_asked_for_in_portions(
    start_peer: StartPeer, socket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    many = "".join(FLOWS.replace("10.0.0.1", f"10.1.{i >> 8}.{i & 255}") for i in range(1500))
    asked = serve(start_peer, many, ROUTE)
    assert main(["--socket", socket, "-c", "show flow recent | origin | count"]) == 0
    assert capsys.readouterr().out == "1500\n"
    assert [request.count(b"</") - 2 for request in asked[1:]] == [1024, 477]


def test_without_addresses_nothing_is_asked(
    start_peer: StartPeer, socket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = serve(start_peer, "<ok/>", REFUSED)
    assert main(["--socket", socket, "-c", "show flow recent | origin"]) == 0
    assert (capsys.readouterr().out, len(asked)) == ("[]\n", 1)


def test_a_daemon_without_routes_says_so(
    start_peer: StartPeer, socket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(start_peer, FLOWS, REFUSED)
    assert main(["--socket", socket, "-c", "show flow recent | origin"]) == 2
    assert capsys.readouterr() == ("", "no routes\n")


def test_what_the_daemon_cannot_do_is_not_offered(grammar: Grammar, old: Scene) -> None:
    def offered(scene: Scene) -> set[str]:
        return {choice.text for choice in expect(split("show flow recent | "), scene).choices}

    assert offered(Scene(grammar)) - offered(old) == {"origin"}
    with pytest.raises(UsageError, match="origin needs a daemon that looks up routes"):
        read_line("show flow recent | origin", old)
