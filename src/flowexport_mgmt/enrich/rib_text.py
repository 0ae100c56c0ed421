"""AS path and communities of a route as words of 32 bits, which are written and read here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Path = tuple[tuple[bool, tuple[int, ...]], ...]

_SEQUENCE: Final = 1 << 16
_COUNT: Final = _SEQUENCE - 1
_MOST_SEGMENTS: Final = 2048


class Text(NamedTuple):
    """What is said of a route beside what has columns.

    A segment of the path is whether it is a sequence (else a set) and its numbers; extended and
    large communities are as they came, in 8 and 12 octets each.
    """

    path: Path = ()
    communities: tuple[int, ...] = ()
    extended: bytes = b""
    large: bytes = b""


class Words(NamedTuple):
    """Words of several texts, one after the other, and how many each has."""

    words: NDArray[np.uint32]
    counts: Counts


def encode_text(text: Text) -> NDArray[np.uint32]:
    """Write it as words: counts, then segments, each behind its kind and count, then the rest."""
    words = [len(text.path), len(text.communities), len(text.extended) // 4, len(text.large) // 4]
    for is_sequence, systems in text.path:
        words.append((_SEQUENCE if is_sequence else 0) | len(systems))
        words += systems
    words += text.communities
    opaque = np.frombuffer(text.extended + text.large, ">u4")
    return np.concatenate((np.array(words, np.uint32), opaque.astype(np.uint32)))


def encode_texts(parts: Sequence[Words]) -> Words:
    """Write many texts, one after the other, as `encode_text` does.

    Args:
        parts: of each text the path, which is one sequence or empty, and the communities, the
            extended and the large ones; each as words and how many of them each text has.
    """
    counts = [count for _, count in parts]
    path = counts[0]
    heads = np.stack((path != 0, *counts[1:]), axis=1).astype(np.uint32)
    has_path = (path != 0).astype(np.int64)
    sizes = heads.shape[1] + has_path + sum(counts)
    at = np.cumsum(sizes) - sizes
    words = np.zeros(int(sizes.sum()), np.uint32)
    words[at[:, None] + np.arange(heads.shape[1])] = heads
    at += heads.shape[1]
    words[at[has_path != 0]] = _SEQUENCE | path[path != 0]
    at += has_path
    for told, count in parts:
        words[spread(at, count)] = told
        at += count
    return Words(words, sizes)


def spread(begins: Counts, counts: Counts) -> Counts:
    """Give the numbers from each begin on, so many of each, one after the other."""
    first = np.cumsum(counts) - counts
    numbers: Counts = np.repeat(begins - first, counts) + np.arange(int(counts.sum()))
    return numbers


def decode_text(words: NDArray[np.uint32]) -> Text:
    """Read what begins with these words.

    Raises:
        ValueError: they make no sense.
    """
    if len(words) < 4:
        raise ValueError("a text is cut off")
    segments, communities, extended, large = words[:4].tolist()
    if segments > _MOST_SEGMENTS:
        raise ValueError("a path of too many segments")
    at = 4
    path: list[tuple[bool, tuple[int, ...]]] = []
    for _ in range(segments):
        (head,) = _take(words, at, 1)
        systems = _take(words, at + 1, head & _COUNT)
        path.append((bool(head & _SEQUENCE), systems))
        at += 1 + len(systems)
    told = _take(words, at, communities)
    at += communities
    opaque = np.array(_take(words, at, extended + large), ">u4").tobytes()
    return Text(tuple(path), told, opaque[: 4 * extended], opaque[4 * extended :])


def render_path(path: Path) -> str:
    """Write a path as routers show it: sets in braces."""
    return " ".join(
        " ".join(map(str, systems)) if is_sequence else "{" + ",".join(map(str, systems)) + "}"
        for is_sequence, systems in path
    )


def _take(words: NDArray[np.uint32], at: int, count: int) -> tuple[int, ...]:
    if at + count > len(words):
        raise ValueError("a text is cut off")
    return tuple(words[at : at + count].tolist())
