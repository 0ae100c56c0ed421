"""Reading filters: ``filter`` of RFC 6241, and the elements of later RFCs that hold one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final

from lxml import etree

from flowexport_mgmt.errors import ErrorTag, ManagementError
from flowexport_mgmt.north.netconf import names
from flowexport_mgmt.north.netconf.evaluation import Evaluator, Printed, XPathFilter
from flowexport_mgmt.north.netconf.filters import SubtreeFilter
from flowexport_mgmt.north.netconf.names import base
from flowexport_mgmt.north.netconf.parameters import Parameters, fault, text
from flowexport_mgmt.north.netconf.reading import Filter

MAX_FILTER: Final = 4096
"""The most elements that a subtree filter may have: each is matched against all of the data."""


def filter_of(parameters: Parameters) -> Filter | None:
    """Read the ``filter`` parameter; None where there is none.

    Raises:
        ManagementError: ``bad-attribute`` for a type that is neither subtree nor xpath and for a
            bad expression, ``missing-attribute`` for an xpath filter without ``select``,
            ``too-big``.
    """
    element = parameters.get("filter")
    if element is None:
        return None
    kind = _attribute(element, "type") or "subtree"
    if kind == "subtree":
        return subtree(element)
    if kind != "xpath":
        raise fault(
            ErrorTag.BAD_ATTRIBUTE,
            f"a filter is of type subtree or xpath, not {kind!r}",
            element="filter",
            bad_attribute="type",
        )
    expression = _attribute(element, "select")
    if expression is None:
        raise fault(
            ErrorTag.MISSING_ATTRIBUTE,
            "an xpath filter needs the attribute select",
            element="filter",
            bad_attribute="select",
        )
    return XPathFilter(expression, _prefixes(element), _bad_select)


def subtree(element: etree._Element) -> Filter:
    """Read a subtree filter.

    Raises:
        ManagementError: ``too-big``.
    """
    if next(islice(element.iterdescendants(), MAX_FILTER, None), None) is not None:
        message = f"a filter has at most {MAX_FILTER} elements"
        raise fault(ErrorTag.TOO_BIG, message, element=names.local_name(str(element.tag)))
    return SubtreeFilter(element)


def xpath(element: etree._Element, blame: Callable[[str], ManagementError] | None = None) -> Filter:
    """Read an XPath filter that stands in an element.

    Raises:
        ManagementError: ``invalid-value``, or what ``blame`` makes of it, for a bad expression.
    """
    name = names.local_name(str(element.tag))

    def invalid(reason: str) -> ManagementError:
        return fault(ErrorTag.INVALID_VALUE, f"{name}: {reason}", element=name)

    return XPathFilter(text(element), _prefixes(element), blame or invalid)


async def check_filter(chosen: Filter | None, evaluator: Evaluator) -> None:
    """Try a filter on nothing, so that what is wrong with it is found at once.

    Raises:
        ManagementError: what is wrong.
    """
    if chosen is not None:
        await chosen.matches(Printed(b""), evaluator)


def _prefixes(element: etree._Element) -> dict[str, str]:
    return {prefix: namespace for prefix, namespace in element.nsmap.items() if prefix}


def _attribute(element: etree._Element, name: str) -> str | None:
    value = element.get(name, element.get(base(name)))
    return None if value is None else str(value)


def _bad_select(reason: str) -> ManagementError:
    message = f"select: {reason}"
    return fault(ErrorTag.BAD_ATTRIBUTE, message, element="filter", bad_attribute="select")
