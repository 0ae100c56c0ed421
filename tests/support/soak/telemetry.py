"""gNMI in a soak: a daemon that has it, and a client that reads too little."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc
from tests.support import daemon
from tests.support.gnmi import PASSWORD, password_hash, path

from flowexport_mgmt.north.gnmi import messages as m

_USER = "soak"
_LOGIN = (("username", _USER), ("password", PASSWORD))
_PATIENCE = 60.0
_STREAM, _SAMPLE, _PROTO = 0, 2, 2
_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.http2.bdp_probe", 0),
)


class Daemon(daemon.Daemon):
    """flowexportd with gNMI in clear text, and a user for it."""

    def init_document(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """Write what the daemon begins with."""
        made = super().init_document(more)
        server = made["flow-export-server:server"]
        server["gnmi"]["plaintext"] = True
        server["user"] = [{"name": _USER, "password-hash": password_hash()}]
        return made


@contextmanager
def subscribed(port: int) -> Iterator[grpc.Future]:
    """Subscribe to everything each second, read one message, and then nothing more."""
    request = m.SubscribeRequest()
    wanted = {"path": path("/flow-export"), "mode": _SAMPLE, "sample_interval": 10**9}
    request.subscribe.SetInParent()
    request.subscribe.MergeFrom(
        type(request.subscribe)(mode=_STREAM, encoding=_PROTO, subscription=[wanted])
    )
    with grpc.insecure_channel(f"127.0.0.1:{port}", _OPTIONS) as channel:
        method = channel.stream_stream("/gnmi.gNMI/Subscribe")
        call = method(
            iter((request.SerializeToString(),)),
            metadata=_LOGIN,
            wait_for_ready=True,
            timeout=_PATIENCE,
        )
        next(call)
        try:
            yield call
        finally:
            call.cancel()
