"""Pieces of different lengths, moved between buffers many at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.errors import EncodeError

Octets = NDArray[np.uint8]
Positions = NDArray[np.int64]


def windows(buffer: Octets, width: int) -> NDArray[Any]:
    """View a contiguous buffer as what begins at each of its octets, ``width`` octets long.

    Indexing the view with an array of positions moves a whole piece for each of them.
    """
    count = max(0, len(buffer) - width + 1)
    return np.ndarray((count,), f"V{width}", buffer.data, strides=(1,))


def copy(into: Octets, to: Positions, source: Octets, at: Positions, lengths: Positions) -> None:
    """Copy pieces: octets ``at[i]`` and on of ``source`` to ``to[i]`` and on of ``into``.

    A piece is moved as its first and its last octets, which overlap: as many of each as the
    greatest power of two that is not more than its length. So two moves are enough for any.

    Raises:
        IndexError: a piece reaches outside of a buffer.
    """
    longest, shortest = int(lengths.max(initial=0)), int(lengths.min(initial=0xFFFFFFFF))
    if longest == shortest > 0:
        windows(into, longest)[to] = windows(source, longest)[at]
        return
    width = 1 << max(shortest.bit_length() - 1, 0)
    while width <= longest:
        chosen = np.flatnonzero((lengths >= width) & (lengths < 2 * width))
        if len(chosen):
            target, piece = windows(into, width), windows(source, width)
            begin, end, rest = to[chosen], at[chosen], lengths[chosen] - width
            target[begin] = piece[end]
            target[begin + rest] = piece[end + rest]
        width *= 2


def page(sizes: Positions, room: int) -> Positions:
    """Spread pieces, in order, over pages of ``room`` octets: how many go on each page.

    Raises:
        EncodeError: a piece is larger than a page.
    """
    if sizes.max(initial=0) > room:
        raise EncodeError(f"a record of {sizes.max()} octets does not fit {room} octets")
    ends = np.cumsum(sizes)
    following = np.searchsorted(ends, ends - sizes + room, side="right").data
    begins = []
    at = 0
    while at < len(following):
        begins.append(at)
        at = following[at]
    edges = np.array([*begins, len(following)], np.int64)
    return edges[1:] - edges[:-1]
