"""Flow templates with what fills them, of NetFlow v9 and IPFIX alike."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flowexport_mgmt.records.flows import FlowBatch
from flowexport_mgmt.wire.columns import Columns, Values
from flowexport_mgmt.wire.elements import ELEMENTS
from flowexport_mgmt.wire.flows.fields import ExportTime, Read
from flowexport_mgmt.wire.templates import DataSet, Field, Template


@dataclass(frozen=True, slots=True)
class Cell:
    """A field of a flow record, and where its values come from."""

    element: int
    length: int
    read: Read
    enterprise: int = 0

    @property
    def name(self) -> str:
        """The element's name, of the reverse direction where it has an enterprise (RFC 5103)."""
        name = ELEMENTS[self.element].name
        return f"reverse{name[0].upper()}{name[1:]}" if self.enterprise else name


@dataclass(frozen=True)
class FlowLayout:
    """A flow template and its cells, in the order of its fields."""

    id: int
    cells: tuple[Cell, ...]

    @functools.cached_property
    def template(self) -> Template:
        """The template that announces the layout."""
        return Template(
            id=self.id,
            columns=tuple(cell.name for cell in self.cells),
            fields=tuple(Field(cell.element, cell.length, cell.enterprise) for cell in self.cells),
        )

    @functools.cached_property
    def _dtype(self) -> np.dtype[np.void]:
        """One record; an address of 128 bits is two numbers."""
        dtype: np.dtype[np.void] = np.dtype([item for cell in self.cells for item in _types(cell)])
        return dtype

    def lay_out(self, batch: FlowBatch, time: ExportTime) -> DataSet:
        """Make the data records of a batch."""
        return DataSet(self.template, Columns(self._dtype, len(batch), self._columns(batch, time)))

    def _columns(self, batch: FlowBatch, time: ExportTime) -> Iterator[tuple[str, Values]]:
        for cell in self.cells:
            values = cell.read(batch, time)
            if isinstance(values, np.ndarray) and cell.length == 16:
                yield f"{cell.name}.high", values[:, 0]
                yield f"{cell.name}.low", values[:, 1]
            elif values is not None:
                yield cell.name, values


def _types(cell: Cell) -> Iterator[tuple[str, str]]:
    if cell.length == 16:
        yield f"{cell.name}.high", ">u8"
        yield f"{cell.name}.low", ">u8"
    else:
        yield cell.name, f">u{cell.length}"
