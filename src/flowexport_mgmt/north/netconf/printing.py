"""Elements as text, put together without being moved.

Moving an element to another parent would have lxml drop declarations of namespaces that it takes
for superfluous; a value such as ``ncm:yang`` needs them.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

from lxml import etree

from flowexport_mgmt.north.netconf import names


def print_all(elements: Iterable[etree._Element]) -> bytes:
    """Print elements one after the other."""
    return b"".join(etree.tostring(e, encoding="UTF-8", with_tail=False) for e in elements)


def print_within(element: etree._Element, default: str) -> bytes:
    """Print an element that will stand where ``default`` is the default namespace."""
    xml = etree.tostring(element, encoding="UTF-8", with_tail=False)
    if default and not element.prefix and names.namespace_of(str(element.tag)) == default:
        return xml.replace(b" xmlns=" + quoteattr(default).encode(), b"", 1)
    return xml


def print_around(element: etree._Element, content: bytes, default: str, more: str = "") -> bytes:
    """Print an element with another content; ``more`` are further attributes.

    ``default`` is the default namespace where it will stand.
    """
    name = names.local_name(str(element.tag))
    tag = f"{element.prefix}:{name}" if element.prefix else name
    start = f"<{tag}{_attributes(element, default)}{more}".encode()
    if not content:
        return start + b"/>"
    return b"%b>%b</%b>" % (start, content, tag.encode())


def default_within(element: etree._Element, default: str) -> str:
    """Give the default namespace inside an element that stands where it is ``default``."""
    return default if element.prefix else names.namespace_of(str(element.tag))


def _attributes(element: etree._Element, default: str) -> str:
    """Write the declarations and attributes of an element."""
    scope: dict[str | None, str] = dict(element.nsmap.items())
    if scope.get(None) == default:
        del scope[None]
    written = [
        f" xmlns{f':{prefix}' if prefix else ''}={quoteattr(namespace)}"
        for prefix, namespace in scope.items()
    ]
    prefixes = {namespace: prefix for prefix, namespace in scope.items() if prefix}
    for name, value in names.attributes_of(element).items():
        prefix = prefixes.get(names.namespace_of(name))
        label = names.local_name(name)
        written.append(f" {f'{prefix}:' if prefix else ''}{label}={quoteattr(value)}")
    return "".join(written)
