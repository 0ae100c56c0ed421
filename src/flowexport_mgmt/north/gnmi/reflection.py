"""Server reflection: what services there are, and the descriptors of their messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FileDescriptor

from flowexport_mgmt.north.gnmi.messages import POOL, REFLECTION, REFLECTION_MESSAGES, SERVICE
from flowexport_mgmt.north.gnmi.requests import parse
from flowexport_mgmt.north.gnmi.status import Code

SERVICES = (SERVICE, *(f"{package}.ServerReflection" for package in REFLECTION))


def answer_reflection(package: str, octets: bytes) -> Any:
    """Answer one request of the reflection protocol in one of its two packages.

    Raises:
        RpcError: it is none.
    """
    kind, response_kind = REFLECTION_MESSAGES[package]
    request = parse(kind, octets)
    response = response_kind(valid_host=request.host)
    response.original_request.CopyFrom(request)
    wanted = request.WhichOneof("message_request")
    try:
        if wanted == "list_services":
            for name in SERVICES:
                response.list_services_response.service.add(name=name)
        elif wanted == "file_by_filename":
            _add(response, POOL.descriptors.FindFileByName(request.file_by_filename))
        elif wanted == "file_containing_symbol":
            symbol = request.file_containing_symbol
            _add(response, POOL.descriptors.FindFileContainingSymbol(symbol))
        elif wanted == "all_extension_numbers_of_type":
            name = request.all_extension_numbers_of_type
            POOL.descriptors.FindMessageTypeByName(name)
            response.all_extension_numbers_response.base_type_name = name
        else:
            _refuse(response, "there is nothing of the kind")
    except KeyError as error:
        _refuse(response, str(error.args[0]))
    return response


def _refuse(response: Any, message: str) -> None:
    response.error_response.error_code = int(Code.NOT_FOUND)
    response.error_response.error_message = message


def _add(response: Any, file: FileDescriptor) -> None:
    files = {one.name: one.serialized_pb for one in _with_imports(file)}
    response.file_descriptor_response.file_descriptor_proto.extend(files.values())


def _with_imports(file: FileDescriptor) -> Iterator[FileDescriptor]:
    yield file
    for imported in file.dependencies:
        yield from _with_imports(imported)
