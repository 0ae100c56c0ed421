"""The message classes of gNMI, made from `layout` in a descriptor pool of our own.

A private pool, because other packages put files of the same names into the process-wide one.
"""

from __future__ import annotations

import re
from typing import Any, Final

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, duration_pb2, message_factory

from flowexport_mgmt.north.gnmi import layout

SERVICE: Final = "gnmi.gNMI"

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final = {
    "bool": _FIELD.TYPE_BOOL,
    "bytes": _FIELD.TYPE_BYTES,
    "double": _FIELD.TYPE_DOUBLE,
    "float": _FIELD.TYPE_FLOAT,
    "int64": _FIELD.TYPE_INT64,
    "string": _FIELD.TYPE_STRING,
    "uint32": _FIELD.TYPE_UINT32,
    "uint64": _FIELD.TYPE_UINT64,
}
_MAP: Final = re.compile(r"map<(\w+),(\w+)>")


class _File:
    """Writes one file descriptor."""

    def __init__(self, name: str, package: str, enums: dict[str, layout.Enumerators]) -> None:
        self.proto = descriptor_pb2.FileDescriptorProto(
            name=name, package=package, syntax="proto3"
        )
        self._package = package
        self._enums = enums
        for enum_name, values in enums.items():
            if "." not in enum_name:
                _fill_enum(self.proto.enum_type.add(), enum_name, values)

    def add(self, name: str, fields: layout.Fields) -> None:
        """Add a message and the enumerations inside of it."""
        message = self.proto.message_type.add(name=name)
        for enum_name, values in self._enums.items():
            outer, _, inner = enum_name.partition(".")
            if outer == name and inner:
                _fill_enum(message.enum_type.add(), inner, values)
        for line in filter(None, map(str.strip, fields.splitlines())):
            self._add_field(message, *line.split())

    def _add_field(
        self, message: descriptor_pb2.DescriptorProto, name: str, number: str, kind: str
    ) -> None:
        oneof, _, name = name.rpartition("/")
        field = message.field.add(name=name, number=int(number), label=_FIELD.LABEL_OPTIONAL)
        if kind.startswith("*"):
            field.label = _FIELD.LABEL_REPEATED
            kind = kind[1:]
        if oneof:
            field.oneof_index = _oneof_index(message, oneof)
        if found := _MAP.fullmatch(kind):
            field.label = _FIELD.LABEL_REPEATED
            kind = self._add_map(message, name, *found.groups())
        self._set_type(field, kind)

    def _add_map(
        self, message: descriptor_pb2.DescriptorProto, name: str, key: str, value: str
    ) -> str:
        """Add the message that an entry of a map is; give its name."""
        entry = message.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        for number, (part, kind) in enumerate((("key", key), ("value", value)), start=1):
            field = entry.field.add(name=part, number=number, label=_FIELD.LABEL_OPTIONAL)
            self._set_type(field, kind)
        return f"{message.name}.{entry.name}"

    def _set_type(self, field: descriptor_pb2.FieldDescriptorProto, kind: str) -> None:
        if kind in _SCALARS:
            field.type = _SCALARS[kind]
            return
        is_foreign = kind.startswith(("google.", "gnmi_ext."))
        field.type = _FIELD.TYPE_ENUM if kind in self._enums else _FIELD.TYPE_MESSAGE
        field.type_name = f".{kind}" if is_foreign else f".{self._package}.{kind}"


def _fill_enum(
    enum: descriptor_pb2.EnumDescriptorProto, name: str, values: layout.Enumerators
) -> None:
    enum.name = name
    for value, number in values.items():
        enum.value.add(name=value, number=number)


def _oneof_index(message: descriptor_pb2.DescriptorProto, name: str) -> int:
    names = [oneof.name for oneof in message.oneof_decl]
    if name not in names:
        message.oneof_decl.add(name=name)
        return len(names)
    return names.index(name)


def _extensions() -> descriptor_pb2.FileDescriptorProto:
    file = _File("flowexport/gnmi_ext.proto", "gnmi_ext", layout.EXTENSION_ENUMS)
    file.proto.dependency.append(duration_pb2.DESCRIPTOR.name)
    for name, fields in layout.EXTENSION_MESSAGES.items():
        file.add(name, fields)
    return file.proto


def _gnmi() -> descriptor_pb2.FileDescriptorProto:
    file = _File("flowexport/gnmi.proto", "gnmi", layout.ENUMS)
    file.proto.dependency.extend([any_pb2.DESCRIPTOR.name, "flowexport/gnmi_ext.proto"])
    for name, fields in layout.MESSAGES.items():
        file.add(name, fields)
    service = file.proto.service.add(name="gNMI")
    for name, (request, response) in layout.METHODS.items():
        service.method.add(
            name=name,
            input_type=f".gnmi.{request}",
            output_type=f".gnmi.{response}",
            client_streaming=name == "Subscribe",
            server_streaming=name == "Subscribe",
        )
    return file.proto


def _make_pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for known in (any_pb2, duration_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    for file in (_extensions(), _gnmi()):
        pool.Add(file)
    return pool


POOL: Final = _make_pool()
"""The descriptors, for reflection."""


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(name))


Path: Final = _class("gnmi.Path")
PathElem: Final = _class("gnmi.PathElem")
Notification: Final = _class("gnmi.Notification")
Update: Final = _class("gnmi.Update")
TypedValue: Final = _class("gnmi.TypedValue")
ModelData: Final = _class("gnmi.ModelData")
CapabilityRequest: Final = _class("gnmi.CapabilityRequest")
CapabilityResponse: Final = _class("gnmi.CapabilityResponse")
GetRequest: Final = _class("gnmi.GetRequest")
GetResponse: Final = _class("gnmi.GetResponse")
SetRequest: Final = _class("gnmi.SetRequest")
SetResponse: Final = _class("gnmi.SetResponse")
UpdateResult: Final = _class("gnmi.UpdateResult")
SubscribeRequest: Final = _class("gnmi.SubscribeRequest")
SubscribeResponse: Final = _class("gnmi.SubscribeResponse")
SubscriptionList: Final = _class("gnmi.SubscriptionList")
Subscription: Final = _class("gnmi.Subscription")
Extension: Final = _class("gnmi_ext.Extension")
