"""Templates, and the data records that are laid out by them (RFC 3954, RFC 7011)."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.wire.columns import Columns
from flowexport_mgmt.wire.elements import ELEMENTS

_ENTERPRISE = 0x8000
_UNSIGNED = {1: "u1", 2: ">u2", 4: ">u4", 8: ">u8"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a template: information element, length in octets, enterprise (0 is IANA)."""

    element: int
    length: int
    enterprise: int = 0


@dataclass(frozen=True)
class Template:
    """A record layout: ``scopes`` come first on the wire and make it an options template.

    In NetFlow v9 the ``element`` of a scope is a scope type (1 system, 2 interface, ...).
    ``columns`` names the fields in order, scopes included.
    """

    id: int
    columns: tuple[str, ...]
    fields: tuple[Field, ...]
    scopes: tuple[Field, ...] = ()

    @functools.cached_property
    def dtype(self) -> np.dtype[np.void]:
        """The layout of one record as a packed big-endian numpy type, for fields of fixed length.

        Integers of 1, 2, 4 and 8 octets are unsigned numbers, other fields are octets.
        """
        widths = (field.length for field in (*self.scopes, *self.fields))
        types = [_UNSIGNED.get(width, f"S{width}") for width in widths]
        dtype: np.dtype[np.void] = np.dtype(list(zip(self.columns, types, strict=True)))
        return dtype


def template(id_: int, *fields: tuple[int, int], scopes: tuple[Field, ...] = ()) -> Template:
    """Make a template of IANA elements from pairs of element number and length in octets.

    Columns are called as IANA calls the elements, a scope ``scope``.
    """
    names = [ELEMENTS[element].name for element, _ in fields]
    if len(scopes) > 1:
        raise ValueError("one scope field at most has the name scope")
    return Template(
        id=id_,
        columns=("scope",) * len(scopes) + tuple(names),
        fields=tuple(Field(element, length) for element, length in fields),
        scopes=scopes,
    )


def template_numbers(item: Template) -> Iterator[int]:
    """Yield the numbers of 16 bits that a template record lists: its fields, scopes first.

    Each is element and length, and of an enterprise (IPFIX) the two halves of its number.
    """
    for specifier in (*item.scopes, *item.fields):
        if not specifier.enterprise:
            yield from (specifier.element, specifier.length)
            continue
        yield from (specifier.element | _ENTERPRISE, specifier.length)
        yield from divmod(specifier.enterprise, 1 << 16)


Rows = NDArray[np.void] | Columns
"""Records as the wire has them, or as columns that will be."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """Records of one template; ``rows`` are laid out as the dtype of the template."""

    template: Template
    rows: Rows


def cut(text: str, size: int) -> bytes:
    """Encode as UTF-8 in at most ``size`` octets, ending at a whole character."""
    return text.encode(errors="replace")[:size].decode(errors="ignore").encode()
