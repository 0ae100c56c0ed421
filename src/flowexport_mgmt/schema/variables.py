"""Variables in printed paths: the library takes ``[name=$USER]``, and prints ``[name=USER]``."""

from __future__ import annotations

import re
from typing import Final

_USER: Final = b"=USER]"
_PATH: Final = re.compile(rb"<path [^>]*>[^<]*")
_VALUE: Final = re.compile(rb"='[^']*'|=\"[^\"]*\"|=&quot;.*?&quot;|=USER(?=\])")


def restore_variables(xml: bytes) -> bytes:
    """Give XML in which the paths in rules of access have their variables again.

    No predicate of such a path compares with a node, so that a bare name is a variable.
    """
    if _USER not in xml:
        return xml
    return _PATH.sub(lambda path: _VALUE.sub(_restore, path[0]), xml)


def _restore(value: re.Match[bytes]) -> bytes:
    return b"=$USER" if value[0] == _USER[:-1] else value[0]
