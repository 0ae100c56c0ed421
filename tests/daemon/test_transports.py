"""Namespaces that the exporter may not enter, and keys in their folder, in the real daemon."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.certificates import Authority
from tests.support.conditions import wait_until
from tests.support.daemon import FLOWEXPORTD, Collector, Daemon, flow_export
from tests.support.namespaces import Namespace, namespaces
from tests.support.netconf import FE, Netconf, RpcError
from tests.support.stream_peer import Conversation, StreamPeer, server_context


@pytest.fixture
def red() -> Iterator[Namespace]:
    with namespaces(1) as (made,):
        yield made


@pytest.fixture
def inside(red: Namespace) -> Iterator[Collector]:
    """A collector on the loopback address of the namespace."""
    with red.inside(), Collector() as made:
        yield made


def statistics(daemon: Daemon, name: str = "a") -> dict[str, str]:
    """Read how a collector fares."""
    wanted = f"<collector><name>{name}</name><statistics/></collector>"
    with daemon.netconf() as session:
        reply = session.get(f'<flow-export xmlns="{FE}">{wanted}</flow-export>')
    return {
        str(leaf.tag).rpartition("}")[2]: leaf.text or ""
        for leaf in reply.iterfind(f".//{{{FE}}}statistics/*")
    }


def await_status(daemon: Daemon, status: str) -> dict[str, str]:
    def reached() -> dict[str, str] | None:
        found = statistics(daemon)
        return found if found.get("oper-status") == status else None

    found = wait_until(reached, 15, f"a is {status}; log:\n{daemon.output}")
    assert found is not None
    return found


@pytest.mark.root
def test_a_namespace_across_the_life_of_the_exporter(
    daemon: Daemon, red: Namespace, inside: Collector
) -> None:
    daemon.commit(inside.xml("a", network_instance=red.name))
    assert inside.receive()
    assert statistics(daemon)["send-method"] == "gso"
    os.kill(daemon.child("exporter"), signal.SIGKILL)
    daemon.find("the exporter was ended by SIGKILL")
    wait_until(lambda: daemon.exporter().get("restarts") == "1", 20)
    inside.drain()
    assert inside.receive()
    red.delete()
    reason = await_status(daemon, "down")["oper-reason"]
    assert reason == (
        f"network-instance {red.name}: there is neither a VRF device nor a network namespace of "
        "this name"
    )
    red.add()
    with red.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", inside.port))
        again.settimeout(15)
        assert again.recv(2000)
    await_status(daemon, "up")


@pytest.mark.root
def test_who_may_not_enter_namespaces_says_so(
    tmp_path: Path, red: Namespace, inside: Collector
) -> None:
    command = ("setpriv", "--bounding-set", "-sys_admin", FLOWEXPORTD)
    with Daemon(tmp_path / "state", command=command) as daemon:
        daemon.wait_started()
        with daemon.netconf() as session:
            session.edit(inside.xml("a", network_instance=red.name))
            with pytest.raises(RpcError) as refused:
                session.commit()
        message = (
            f"network-instance {red.name}: flowexportd has to run as root to enter network "
            "namespaces (EPERM)"
        )
        assert message in str(refused.value)


def test_keys_are_found_in_their_folder_and_read_again_at_a_reload(
    daemon: Daemon, tmp_path: Path
) -> None:
    keys = tmp_path / "state" / "tls"
    Authority(keys).issue("server", "127.0.0.1")
    shutil.move(keys / "ca.pem", tmp_path / "ca.pem")
    peer = StreamPeer(context=server_context(keys, "server"))
    entry = (
        f"<collector><name>a</name><address>127.0.0.1</address><port>{peer.port}</port>{TLS}"
        "<tls><ca>ca.pem</ca></tls><polling-interval>1</polling-interval></collector>"
    )
    with daemon.netconf() as session:
        session.edit(flow_export(entry))
        with pytest.raises(RpcError, match=r"tls/ca ca.pem: there is no such file in"):
            session.commit()
        shutil.copy(tmp_path / "ca.pem", keys / "ca.pem")
        session.commit()
    peer.accept()
    conversation = Conversation(peer)
    wait_until(conversation.take, 10)
    assert await_status(daemon, "up")["tls-version"] == "TLSv1.3"
    (keys / "ca.pem").unlink()
    daemon.signal(signal.SIGHUP)
    daemon.find("reloading")
    for _ in range(2):  # the connection that there is goes on
        wait_until(conversation.take, 10)
    peer.hang_up()

    def is_missed() -> bool:
        return "no such file" in statistics(daemon).get("oper-reason", "")

    wait_until(is_missed, 15)
    shutil.copy(tmp_path / "ca.pem", keys / "ca.pem")
    daemon.signal(signal.SIGHUP)
    peer.accept()
    wait_until(Conversation(peer).take, 10)
    assert await_status(daemon, "up")["connections"] == "2"
    peer.close()


TLS = "<protocol>ipfix</protocol><transport>tls</transport>"
WRONG = (
    ("<protocol>netflow9</protocol><transport>tcp</transport>", "over tcp and tls"),
    ("<protocol>sflow</protocol><transport>tls</transport>", "over tcp and tls"),
    ("<protocol>ipfix</protocol><transport>tcp</transport><tls><ca>x</ca></tls>", "tls"),
    (f"{TLS}<template-refresh>60</template-refresh>", "template-refresh"),
    (f"{TLS}<tls><private-key>x</private-key></tls>", "of no use without its certificate"),
    (f"{TLS}<tls><ca>../x</ca></tls>", r"ca.*\.\./x"),
    ("<protocol>sflow</protocol><network-instance>a/b</network-instance>", "a/b"),
    ("<protocol>sflow</protocol><network-instance>..</network-instance>", "network-instance"),
)


def test_what_does_not_go_together(daemon: Daemon) -> None:
    for leaves, words in WRONG:
        entry = f"<collector><name>a</name><address>127.0.0.1</address>{leaves}</collector>"
        with daemon.netconf() as session:
            with pytest.raises(RpcError, match=words):
                commit(session, flow_export(entry))
            session.rpc("<discard-changes/>")
    assert daemon.running_commit() == 1


def commit(session: Netconf, configuration: str) -> None:
    session.edit(configuration)
    session.commit()
