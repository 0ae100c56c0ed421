"""Get (specification, section 3.3): one snapshot, and of it a notification for each path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from flowexport_mgmt.datastore import Datastore, Session
from flowexport_mgmt.north.gnmi import lines
from flowexport_mgmt.north.gnmi.messages import (
    DataType,
    Encoding,
    GetRequest,
    GetResponse,
    TypedValue,
)
from flowexport_mgmt.north.gnmi.paths import (
    CLI,
    Instance,
    Pattern,
    asked_paths,
    read_path,
    resolve,
    select,
    write_path,
)
from flowexport_mgmt.north.gnmi.reading import Reader, Reading
from flowexport_mgmt.north.gnmi.requests import (
    parse,
    read_encoding,
    read_extensions,
    read_models,
)
from flowexport_mgmt.north.gnmi.shape import GONE, Shape, entries
from flowexport_mgmt.north.gnmi.status import Code, RpcError, invalid, unimplemented
from flowexport_mgmt.north.gnmi.values import encode_json, encode_leaf, encode_root

_MAX_PATHS: Final = 1024


class Getter:
    """Answers Get."""

    def __init__(self, datastore: Datastore, reader: Reader) -> None:
        self._schema = datastore.schema
        self._reader = reader

    async def answer(self, session: Session, octets: bytes) -> Any:
        """Answer a request.

        Raises:
            RpcError: it is wrong, or a path leads to nothing.
        """
        request = parse(GetRequest, octets)
        encoding = read_encoding(request.encoding)
        shape = self._shape(request)
        if len(request.path) > _MAX_PATHS:
            raise invalid(f"a Get has at most {_MAX_PATHS} paths")
        read = [read_path(self._schema, request.prefix, path) for path in request.path]
        if not read:
            read = [read_path(self._schema, request.prefix, request.prefix.__class__())]
        for pattern in read:
            _check_origin(pattern, encoding)
        found = [
            (pattern, ()) if pattern.origin == CLI else resolve(self._schema, pattern)
            for pattern in read
        ]
        paths = [p for one, nodes in found for p in asked_paths(self._schema, one, nodes)]
        whole = any(not nodes or any(node.config for node in nodes) for _, nodes in found)
        reading = await self._read(session, shape, paths, whole=whole)
        response = GetResponse()
        for pattern, _ in found:
            notification = response.notification.add(timestamp=_time(shape, reading))
            notification.prefix.origin = request.prefix.origin
            notification.prefix.target = request.prefix.target
            if pattern.origin == CLI:
                text = lines.write(self._schema, self._reader.explicit(session))
                update = notification.update.add(val=TypedValue(ascii_val=text))
                update.path.origin = CLI
            else:
                chosen = select(self._schema, pattern, reading.data, reading.index)
                self._fill(notification, chosen, shape, encoding)
                if not notification.update and pattern.elements:
                    raise RpcError(Code.NOT_FOUND, f"{pattern}: there is no such data")
        return response

    def _shape(self, request: Any) -> Shape:
        try:
            data = DataType(request.type)
        except ValueError:
            raise invalid(f"there is no data type {request.type}") from None
        if data is DataType.OPERATIONAL:  # all state here comes from what runs
            data = DataType.STATE
        extensions = read_extensions(request.extension, allowed=("depth",))
        return Shape(data, read_models(self._schema, request.use_models), extensions.depth)

    async def _read(
        self, session: Session, shape: Shape, paths: Sequence[str], *, whole: bool
    ) -> Reading:
        if shape.data is DataType.CONFIG:
            return self._reader.configuration(session)
        return await self._reader.operational(session, tuple(dict.fromkeys(paths)), whole=whole)

    def _fill(
        self,
        notification: Any,
        chosen: Iterator[tuple[Instance, Any]],
        shape: Shape,
        encoding: Encoding,
    ) -> None:
        fill = self._fill_proto if encoding is Encoding.PROTO else self._fill_json
        fill(notification, chosen, shape, encoding)

    def _fill_json(
        self,
        notification: Any,
        chosen: Iterator[tuple[Instance, Any]],
        shape: Shape,
        encoding: Encoding,
    ) -> None:
        for instance, value in chosen:
            if not instance:
                left = shape.trim_root(self._schema, value)
                whole = {} if left is GONE else left
                typed = encode_root(self._schema.top_by_json_name, whole, encoding)
            else:
                left = shape.trim(instance[-1].schema, value)
                if left is GONE:
                    continue
                typed = encode_json(instance[-1].schema, left, encoding)
            notification.update.add(path=write_path(instance), val=typed)

    def _fill_proto(
        self,
        notification: Any,
        chosen: Iterator[tuple[Instance, Any]],
        shape: Shape,
        encoding: Encoding,
    ) -> None:
        told: set[Instance] = set()  # what is chosen may stand below what is chosen, too
        for instance, value in chosen:
            for outer, leaves in entries(self._schema, instance, value, shape):
                for leaf in leaves:
                    where = (*outer, *leaf.inner)
                    if where in told:
                        continue
                    told.add(where)
                    typed = encode_leaf(leaf.schema, leaf.value, encoding)
                    notification.update.add(path=write_path(where), val=typed)


def _check_origin(pattern: Pattern, encoding: Encoding) -> None:
    if pattern.origin == CLI:
        if pattern.elements:
            raise invalid(f"{pattern}: a path of origin cli has no elements")
        if encoding is not Encoding.ASCII:
            raise unimplemented(f"encoding {encoding.name} is not supported for origin cli")
    elif encoding is Encoding.ASCII:
        raise unimplemented("encoding ASCII is supported for origin cli only")


def _time(shape: Shape, reading: Reading) -> int:
    return reading.committed if shape.data is DataType.CONFIG else reading.collected
