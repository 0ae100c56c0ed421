"""Records that stay columns until they are written to where they are sent from.

Rows that were put together first would be copied once more; for the encoders of flows that copy,
and the memory for it, is a third of the work.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_BLOCK: Final = 4096  # rows whose places stay in the processor's cache while they are filled

Values = NDArray[Any] | int


class Columns:
    """Records of one type: some of its fields as columns or constants, 0 in the others."""

    def __init__(
        self, dtype: np.dtype[np.void], count: int, columns: Iterable[tuple[str, Values]]
    ) -> None:
        """Keep columns by the names of their fields; arrays have ``count`` rows."""
        self.dtype = dtype
        self._columns = tuple(columns)
        self._begin, self._end = 0, count

    def __len__(self) -> int:
        """Count the records."""
        return self._end - self._begin

    def __getitem__(self, part: slice) -> Columns:
        """Take some of the records; they share memory with these."""
        begin, end, _ = part.indices(len(self))
        chosen = Columns(self.dtype, 0, self._columns)
        chosen._begin, chosen._end = self._begin + begin, self._begin + max(begin, end)
        return chosen

    def write(self, into: NDArray[np.uint8]) -> None:
        """Fill ``into``, whose shape is (P, octets): P runs of as many records each."""
        pages = len(into)
        if len(self._columns) < len(self.dtype.names or ()):
            into[:] = 0
        rows = into.view(self.dtype)
        targets = [(rows[name], self._shape(values, pages)) for name, values in self._columns]
        step = max(1, _BLOCK // max(1, rows.shape[1]))
        for begin in range(0, pages, step):
            part = slice(begin, begin + step)
            for target, values in targets:
                target[part] = values if isinstance(values, int) else values[part]

    def tobytes(self) -> bytes:
        """Write the records one after the other."""
        octets = np.empty((1, len(self) * self.dtype.itemsize), np.uint8)
        self.write(octets)
        return octets.tobytes()

    def _shape(self, values: Values, pages: int) -> Values:
        if isinstance(values, int):
            return values
        return values[self._begin : self._end].reshape(pages, -1)
