"""The gRPC server: its methods, and the way from an RPC to an answer or a status."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import grpc
from grpc import aio

from flowexport_mgmt.credentials import Pem
from flowexport_mgmt.datastore import Datastore
from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.north.gnmi.capabilities import answer_capabilities
from flowexport_mgmt.north.gnmi.clients import Client, Clients
from flowexport_mgmt.north.gnmi.get import Getter
from flowexport_mgmt.north.gnmi.logins import Logins, source_of_peer
from flowexport_mgmt.north.gnmi.messages import REFLECTION, SERVICE
from flowexport_mgmt.north.gnmi.reading import Reader
from flowexport_mgmt.north.gnmi.reflection import answer_reflection
from flowexport_mgmt.north.gnmi.refusals import Refusals
from flowexport_mgmt.north.gnmi.requests import MalformedError
from flowexport_mgmt.north.gnmi.set import Setter
from flowexport_mgmt.north.gnmi.status import Code, RpcError
from flowexport_mgmt.north.gnmi.subscribe.service import PATIENCE, Subscriptions
from flowexport_mgmt.observe.log import LimitedLogger

_log = LimitedLogger(logging.getLogger(__name__))

_STATUS: Final = {code.value[0]: code for code in grpc.StatusCode}
_DETAILS: Final = "grpc-status-details-bin"
_LONGEST: Final = 2048
"""Characters of a status message."""

_MAX_REQUEST: Final = 16 * 1024 * 1024
_MAX_RPCS: Final = 2048
_OPTIONS: Final = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", _MAX_REQUEST),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_concurrent_streams", 512),
    ("grpc.server_handshake_timeout_ms", 20_000),
    ("grpc.max_connection_idle_ms", 600_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)

Answer = Callable[[Client, bytes], Awaitable[Any]]


class Engine:
    """What answers the RPCs of every server, whichever port it has."""

    def __init__(self, datastore: Datastore, *, patience: float = PATIENCE) -> None:
        self.refusals = Refusals()
        self.logins = Logins(self.refusals)
        self.reader = Reader(datastore)
        self.subscriptions = Subscriptions(datastore, self.reader, self.refusals, patience=patience)
        self.clients = Clients(datastore, self.refusals, self._killed)
        self._schema = datastore.schema
        self._getter = Getter(datastore, self.reader)
        self._setter = Setter(datastore)

    def _killed(self, client: Client) -> None:
        failure = RpcError(Code.ABORTED, "another session has ended this one")
        self.subscriptions.end_client(client, failure)

    def handlers(self) -> Mapping[str, Any]:
        """Give the handler of each method by its path."""
        unary = {
            "Capabilities": self._capabilities,
            "Get": self._get,
            "Set": self._set,
        }
        handlers: dict[str, Any] = {
            f"/{SERVICE}/{name}": grpc.unary_unary_rpc_method_handler(self._unary(answer))
            for name, answer in unary.items()
        }
        handlers[f"/{SERVICE}/Subscribe"] = grpc.stream_stream_rpc_method_handler(self._subscribe)
        for package in REFLECTION:
            path = f"/{package}.ServerReflection/ServerReflectionInfo"
            handlers[path] = grpc.stream_stream_rpc_method_handler(self._reflection(package))
        return handlers

    async def _capabilities(self, _: Client, octets: bytes) -> Any:
        return answer_capabilities(self._schema, octets)

    async def _get(self, client: Client, octets: bytes) -> Any:
        return await self._getter.answer(client.session, octets)

    async def _set(self, client: Client, octets: bytes) -> Any:
        return await self._setter.answer(client.session, octets)

    # -- RPCs

    def _unary(self, answer: Answer) -> Callable[[bytes, Any], Awaitable[bytes]]:
        async def handle(octets: bytes, context: Any) -> bytes:
            answered = await self._handled(context, lambda c: _octets(answer(c, octets)))
            return bytes(answered)

        return handle

    async def _subscribe(self, _: Any, context: Any) -> None:
        async def serve(client: Client) -> None:
            # with the first message gRPC would send it too, and no status while that is under way
            await context.send_initial_metadata(())
            await self.subscriptions.serve(client, _Channel(context))

        await self._handled(context, serve)

    def _reflection(self, package: str) -> Callable[[Any, Any], Awaitable[None]]:
        async def serve(context: Any) -> None:
            channel = _Channel(context)
            while (request := await channel.read()) is not None:
                await channel.write(answer_reflection(package, request).SerializeToString())

        async def handle(_: Any, context: Any) -> None:
            await self._handled(context, lambda _: serve(context))

        return handle

    async def _handled(self, context: Any, work: Callable[[Client], Awaitable[Any]]) -> Any:
        """Do the work of an RPC for whoever it is; what is refused becomes its status."""
        try:
            return await self._admitted(context, work)
        except RpcError as error:
            failure = error
        except ManagementError as error:
            failure = RpcError.of(error)
        except aio.InternalError:  # a message cannot be sent: nobody is there any more
            return None
        except Exception as error:  # noqa: BLE001 - no request ends the server
            text = f"{type(error).__name__}: {error}"
            _log.log(logging.ERROR, text, "gNMI: an RPC failed: %s", text)
            failure = RpcError(Code.INTERNAL, "the server failed; its log says why")
        if isinstance(failure, MalformedError):
            self.refusals.malformed_requests += 1
        return await _abort(context, failure)

    async def _admitted(self, context: Any, work: Callable[[Client], Awaitable[Any]]) -> Any:
        metadata = {
            key: value
            for key, value in context.invocation_metadata() or ()
            if isinstance(value, str)
        }
        peer = context.peer()
        user = await self.logins.user(peer, metadata, _certificates(context))
        with self.clients.enter(source_of_peer(peer), user) as client:
            try:
                return await work(client)
            except MalformedError:
                client.session.in_bad_rpcs += 1
                raise


async def _octets(answer: Awaitable[Any]) -> bytes:
    return bytes((await answer).SerializeToString())


def _certificates(context: Any) -> list[bytes]:
    """Give the certificates that a client has sent, its own first."""
    known = context.auth_context() or {}
    return list(known.get("x509_pem_cert_chain") or known.get("x509_pem_cert") or ())


async def _abort(context: Any, failure: RpcError) -> None:
    trailers = ((_DETAILS, failure.details()),)
    await context.abort(_STATUS[int(failure.code)], failure.message[:_LONGEST], trailers)


class _Channel:
    """The two streams of an RPC; see `subscribe.service.Channel`."""

    def __init__(self, context: Any) -> None:
        self._context = context

    async def read(self) -> bytes | None:
        message = await self._context.read()
        return None if message is aio.EOF else message

    async def write(self, message: bytes) -> None:
        await self._context.write(message)


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types
    """Finds the handler of a method by its path."""

    def __init__(self, handlers: Mapping[str, Any]) -> None:
        self._handlers = handlers

    def service(self, details: Any) -> Any:
        return self._handlers.get(details.method)


class Certificates:
    """The certificates that new connections get; replaced at any time, from any thread."""

    def __init__(self, pem: Pem) -> None:
        self.pem = pem
        self._given: Pem | None = None

    def credentials(self) -> Any:
        """Make the credentials of a server that asks here before each handshake."""
        self._given = self.pem
        return grpc.dynamic_ssl_server_credentials(
            _configuration(self.pem), self._fetch, require_client_authentication=bool(self.pem.ca)
        )

    def _fetch(self) -> Any:
        """Give the configuration if it is another one than that of the last handshake."""
        pem = self.pem
        if pem is self._given:
            return None
        self._given = pem
        return _configuration(pem)


def _configuration(pem: Pem) -> Any:
    pairs = [(pem.private_key, pem.certificate)]
    return grpc.ssl_server_certificate_configuration(pairs, pem.ca or None)


def make_server(engine: Engine) -> Any:
    """Make a server that listens nowhere yet."""
    return aio.server(
        handlers=(_Handlers(engine.handlers()),),
        options=_OPTIONS,
        maximum_concurrent_rpcs=_MAX_RPCS,
    )
