"""IPFIX over TCP as tshark understands it, and over TLS to OpenSSL's server."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from interop.namespaces import Namespace, eventually, namespace, run, stop
from tests.support.certificates import Authority
from tests.support.ports import free_port
from tests.support.runtimes import Plane, plane
from tests.support.stream_peer import Conversation, StreamPeer

from flowexport_mgmt.export import Facilities, KeyFolders
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.wire.decoder import Decoder
from flowexport_mgmt.wire.messages import Message

PORT = 4739


@pytest.fixture(scope="module")
def space() -> Iterator[Namespace]:
    with namespace() as made:
        run("ip", "-n", made.name, "link", "add", "port0", "type", "veth", "peer", "name", "port1")
        yield made


def to(port: int, **settings: object) -> fe.Collector:
    return fe.Collector(
        name="c",
        address="127.0.0.1",
        port=port,
        protocol=fe.Protocol.IPFIX,
        polling_interval=1,
        **settings,  # type: ignore[arg-type] # each test names leaves of its own
    )


@contextlib.contextmanager
def captured(space: Namespace, file: Path) -> Iterator[None]:
    """Capture what passes the loopback interface by TCP, to the last segment."""
    log = file.with_suffix(".log")
    command = ["dumpcap", "-q", "-P", "-i", "lo", "-f", "tcp", "-w", str(file)]
    process = space.start(command, log)
    eventually(lambda: "Capturing on" in log.read_text(), "dumpcap starts")
    try:
        yield
        size = -1
        while size != (size := file.stat().st_size):  # until a second has brought nothing more
            time.sleep(1)
    finally:
        stop(process)


def converse(made: Plane, peer: StreamPeer, polls: int) -> int:
    """Take messages until so many polls have come, and hang up; count the messages."""
    peer.accept()
    conversation = Conversation(peer)
    got: list[Message] = []

    def enough() -> bool:
        got.extend(conversation.take())
        data = [message for message in got if any(one.kind == "data" for one in message.records)]
        return len(data) >= polls

    eventually(enough, "polls")
    eventually(lambda: made.statistics("c").datagrams_sent or 0, "statistics")
    peer.hang_up()
    return len(got)


def test_tshark_finds_each_message_and_no_fault(space: Namespace, tmp_path: Path) -> None:
    file = tmp_path / "capture.pcap"
    with captured(space, file), space.entered():
        peer = StreamPeer(port=PORT)
        with plane() as made:
            made.commit(to(PORT, transport=fe.Transport.TCP))
            counts = [converse(made, peer, polls) for polls in (4, 2)]
        peer.close()
    tshark = ["tshark", "-n", "-r", str(file), "-d", f"tcp.port=={PORT},cflow"]
    fields = ["-e", "tcp.stream", "-e", "cflow.sequence", "-e", "cflow.template_id"]
    shape = ["-T", "fields", "-E", "separator=;", "-E", "aggregator=,"]
    rows = [row.split(";") for row in run(*tshark, "-Y", "cflow", *shape, *fields).splitlines()]
    for stream, count in enumerate(counts):
        sequences = [row[1].split(",") for row in rows if row[0] == str(stream)]
        flat = [int(number) for listed in sequences for number in listed]
        assert flat[0] == 0
        assert flat == sorted(flat)
        assert count <= len(flat) <= count + 2
        templates = [row[2] for row in rows if row[0] == str(stream) and row[2]]
        assert len(templates) == 1  # in the first message, and never again
    assert run(*tshark, "-Y", "cflow && _ws.expert.severity >= 0x00600000") == ""
    assert run(*tshark, "-Y", "cflow.unexpected_sequence_number || cflow.no_template_found") == ""


def test_openssl_receives_what_was_sent(tmp_path: Path) -> None:
    keys = tmp_path / "tls"
    authority = Authority(keys)
    authority.issue("server", "127.0.0.1")
    authority.issue("client")
    port = free_port()
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-quiet"]
    command += ["-cert", f"{keys}/server.pem", "-key", f"{keys}/server.key"]
    command += ["-CAfile", f"{keys}/ca.pem", "-Verify", "1", "-verify_return_error"]
    tls = fe.CollectorTls(certificate="client.pem", private_key="client.key", ca="ca.pem")
    received = tmp_path / "received"
    with (
        received.open("wb") as output,
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=log) as server,
    ):
        try:
            with plane(facilities=Facilities(KeyFolders([keys]))) as made:
                made.commit(to(port, transport=fe.Transport.TLS, tls=tls))
                found = made.await_status("c", "up", 10)
                assert found.tls_version == "TLSv1.3"
                eventually(lambda: (made.statistics("c").records_sent or 0) > 3, "records")
                eventually(lambda: decode(received.read_bytes()), "messages")
                assert made.changes("c") == ["down", "up"]
        finally:
            server.terminate()


def decode(octets: bytes) -> list[Message]:
    """Take messages apart; a fault fails the test."""
    decoder, found = Decoder(), []
    while len(octets) >= 16 and len(octets) >= (length := int.from_bytes(octets[2:4], "big")):
        message = decoder.receive(octets[:length], ("peer", 1), time.time_ns())
        assert not message.faults
        assert not message.lost
        found.append(message)
        octets = octets[length:]
    return [message for message in found if any(one.kind == "data" for one in message.records)]
