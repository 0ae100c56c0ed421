"""What requests have in common: parsing, models, and the extensions that are known here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from flowexport_mgmt.north.gnmi.messages import Encoding
from flowexport_mgmt.north.gnmi.status import RpcError, invalid, unimplemented
from flowexport_mgmt.schema.context import SchemaContext


class MalformedError(RpcError):
    """The octets are no message of gNMI."""


@dataclass(frozen=True, slots=True)
class Extensions:
    """The extensions of a request; each is None where it is not given."""

    arbitration: Any = None
    commit: Any = None
    depth: int = 0


def parse(kind: Any, octets: bytes) -> Any:
    """Parse a message.

    Raises:
        MalformedError: it is none.
    """
    try:
        return kind.FromString(octets)
    except (DecodeError, ValueError) as error:
        name = kind.DESCRIPTOR.name
        raise MalformedError(invalid("").code, f"this is no {name}: {error}") from None


def read_extensions(given: Iterable[Any], *, allowed: Iterable[str] = ()) -> Extensions:
    """Read the extensions of a request; one that nobody has registered is passed over.

    Raises:
        RpcError: one that counts for another RPC, or that is not served here.
    """
    found: dict[str, Any] = {}
    for extension in given:
        kind = extension.WhichOneof("ext")
        if kind in (None, "registered_ext"):
            continue
        if kind in ("history", "config_subscription"):
            raise unimplemented(f"the extension {kind} is not served here")
        if kind not in allowed:
            raise invalid(f"the extension {kind} has no meaning for this RPC")
        if kind in found:
            raise invalid(f"the extension {kind} is given twice")
        found[kind] = getattr(extension, kind)
    return Extensions(
        arbitration=found.get("master_arbitration"),
        commit=found.get("commit"),
        depth=found["depth"].level if "depth" in found else 0,
    )


def read_encoding(number: int) -> Encoding:
    """Read an encoding.

    Raises:
        RpcError: UNIMPLEMENTED: it is unknown, or not served.
    """
    try:
        encoding = Encoding(number)
    except ValueError:
        raise unimplemented(f"there is no encoding {number}") from None
    if encoding is Encoding.BYTES:
        raise unimplemented("encoding BYTES is not supported")
    return encoding


def read_models(schema: SchemaContext, given: Iterable[Any]) -> frozenset[str] | None:
    """Read the modules that are to be used; None for all.

    Raises:
        RpcError: one of them is not served, or not in this revision.
    """
    revisions = {module.name: module.revision for module in schema.modules if module.implemented}
    chosen = set()
    for model in given:
        if model.name not in revisions:
            raise invalid(f"use_models: there is no model {model.name!r} here")
        if model.version and model.version != revisions[model.name]:
            told = f"{revisions[model.name]}, and not {model.version}"
            raise invalid(f"use_models: the version of {model.name} here is {told}")
        chosen.add(str(model.name))
    return frozenset(chosen) or None
