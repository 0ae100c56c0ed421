"""From tables of fields to message classes, in a pool of descriptors of our own.

A pool of our own lets this process import any other package that brings the same messages. A field
is written ``name number type``: a scalar type of Protocol Buffers, or a message or enum of the same
package or with its package. ``type*`` is repeated, ``map`` is from string to string, and
``oneof.name number type`` stands in a oneof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, duration_pb2
from google.protobuf.message_factory import GetMessageClass

_FIELD: Final = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final[Mapping[str, Any]] = {
    name: getattr(_FIELD, f"TYPE_{name.upper()}")
    for name in ("string", "bytes", "bool", "int32", "int64", "uint32", "uint64", "float", "double")
}

Fields = Sequence[str]
Enum = Mapping[str, int]


class Package:
    """A .proto file that is none: its messages are classes, its enums are mappings.

    Args:
        pool: where it belongs.
        file: the name of the file, as reflection tells it.
        name: the name of the package.
        messages: the fields of each message; ``Outer.Inner`` is nested.
        enums: the values of each enum; one that is nested stands after its message.
        services: the methods of each service, ``name request response``, ``*`` for a stream.
        imports: the names of the files that it refers to.
    """

    def __init__(
        self,
        pool: Pool,
        file: str,
        name: str,
        *,
        messages: Mapping[str, Fields],
        enums: Mapping[str, Enum] = {},
        services: Mapping[str, Sequence[str]] = {},
        imports: Sequence[str] = (),
    ) -> None:
        self._name = name
        self._enums = enums
        made = descriptor_pb2.FileDescriptorProto(
            name=file, package=name, syntax="proto3", dependency=imports
        )
        holders: dict[str, Any] = {"": made}
        for path, fields in messages.items():
            outer, _, inner = path.rpartition(".")
            holder = holders[outer]
            message = (holder.nested_type if outer else holder.message_type).add(name=inner)
            holders[path] = message
            for field in fields:
                self._add_field(message, field)
        for path, values in enums.items():
            outer, _, inner = path.rpartition(".")
            enum = holders[outer].enum_type.add(name=inner)
            for label, number in values.items():
                enum.value.add(name=label, number=number)
        for service, methods in services.items():
            self._add_service(made.service.add(name=service), methods)
        pool.add(made)
        self._classes = {
            path: GetMessageClass(pool.descriptors.FindMessageTypeByName(f"{name}.{path}"))
            for path in messages
        }

    def __getitem__(self, name: str) -> Any:
        """Give the class of a message."""
        return self._classes[name]

    def _add_field(self, message: Any, written: str) -> None:
        label, number, kind = written.split()
        oneof, _, name = label.rpartition(".")
        repeated = kind.endswith("*") or kind == "map"
        field = message.field.add(
            name=name,
            number=int(number),
            label=_FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL,
        )
        if kind == "map":
            self._make_map(message, field)
        else:
            self._set_type(field, kind.rstrip("*"))
        if oneof:
            names = [one.name for one in message.oneof_decl]
            if oneof not in names:
                message.oneof_decl.add(name=oneof)
                names.append(oneof)
            field.oneof_index = names.index(oneof)

    def _set_type(self, field: Any, kind: str) -> None:
        if kind in _SCALARS:
            field.type = _SCALARS[kind]
            return
        field.type = _FIELD.TYPE_ENUM if kind in self._enums else _FIELD.TYPE_MESSAGE
        external = kind.startswith(("google.", "gnmi_ext."))
        field.type_name = f".{kind}" if external else f".{self._name}.{kind}"

    def _make_map(self, message: Any, field: Any) -> None:
        entry = message.nested_type.add(name=f"{field.name.capitalize()}Entry")
        entry.options.map_entry = True
        for number, name in enumerate(("key", "value"), 1):
            entry.field.add(
                name=name, number=number, label=_FIELD.LABEL_OPTIONAL, type=_FIELD.TYPE_STRING
            )
        field.type = _FIELD.TYPE_MESSAGE
        field.type_name = f".{self._name}.{message.name}.{entry.name}"

    def _add_service(self, service: Any, methods: Sequence[str]) -> None:
        for written in methods:
            name, request, response = written.split()
            service.method.add(
                name=name,
                input_type=f".{self._name}.{request.rstrip('*')}",
                output_type=f".{self._name}.{response.rstrip('*')}",
                client_streaming=request.endswith("*"),
                server_streaming=response.endswith("*"),
            )


class Pool:
    """A private pool, with the well-known types that others refer to."""

    def __init__(self) -> None:
        self.descriptors = descriptor_pool.DescriptorPool()
        for known in (any_pb2, duration_pb2):
            self.descriptors.AddSerializedFile(known.DESCRIPTOR.serialized_pb)

    def add(self, file: descriptor_pb2.FileDescriptorProto) -> None:
        """Take the descriptors of a file."""
        self.descriptors.AddSerializedFile(file.SerializeToString())

    def message(self, name: str) -> Any:
        """Give the class of a message by its full name."""
        return GetMessageClass(self.descriptors.FindMessageTypeByName(name))
