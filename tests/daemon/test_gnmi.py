"""gNMI of the daemon when its manager dies: streams are told, and the port is open again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.support.daemon import Collector, Daemon
from tests.support.gnmi import ANN, document, path, values

from flowexport_mgmt.north.gnmi import messages as m


class PlainDaemon(Daemon):
    """A daemon with gNMI in plaintext, and ann who may do everything."""

    def init_document(self, more: Mapping[str, Any]) -> dict[str, Any]:
        doors = super().init_document(more)["flow-export-server:server"]
        made = document(doors["gnmi"], more)
        made["flow-export-server:server"] |= {k: doors[k] for k in ("netconf", "http")}
        return made


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with PlainDaemon(tmp_path / "state") as daemon:
        daemon.wait_started()
        yield daemon


def connected(daemon: Daemon) -> grpc.Channel:
    """Make a channel that shares no connection: one that breaks takes a new stream along."""
    options = (("grpc.max_reconnect_backoff_ms", 500), ("grpc.use_local_subchannel_pool", 1))
    return grpc.insecure_channel(f"127.0.0.1:{daemon.gnmi_port}", options)


def begin(channel: grpc.Channel) -> Any:
    """Subscribe as soon as there is a server; give the call after sync_response."""
    request = m.SubscribeRequest()
    request.subscribe.encoding = 2
    request.subscribe.subscription.add(path=path("/flow-export"), mode=1)
    method = channel.stream_stream("/gnmi.gNMI/Subscribe")
    given = iter([request.SerializeToString()])
    call = method(given, metadata=ANN, wait_for_ready=True, timeout=60)
    for octets in call:
        if m.SubscribeResponse.FromString(octets).sync_response:
            break
    return call


def told(octets: bytes) -> list[str]:
    """Give the paths that a message tells of."""
    return list(values(m.SubscribeResponse.FromString(octets).update))


def test_a_stream_ends_with_the_manager_and_begins_again_at_the_same_port(
    daemon: Daemon, collector: Collector
) -> None:
    with connected(daemon) as channel:
        stream = begin(channel)
        os.kill(daemon.child("manager"), signal.SIGKILL)
        with pytest.raises(grpc.RpcError) as ended:
            next(stream)
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
    with connected(daemon) as channel:
        again = begin(channel)
        daemon.commit(collector.xml("a"))
        assert any("collector[name=a]" in where for octets in again for where in told(octets))
        again.cancel()
