"""Reading and editing by the Network Management Datastore Architecture (RFC 8526)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from lxml import etree

from flowexport_mgmt.datastore import EditOptions, Store
from flowexport_mgmt.errors import ErrorTag, ManagementError
from flowexport_mgmt.north.netconf import filter_parameters, names, parameters
from flowexport_mgmt.north.netconf.calls import Call, OperationRow
from flowexport_mgmt.north.netconf.evaluation import Printed
from flowexport_mgmt.north.netconf.operations import DefaultOperation
from flowexport_mgmt.north.netconf.reading import Filter
from flowexport_mgmt.north.netconf.replies import Ok, Output, Reply
from flowexport_mgmt.north.netconf.shaping import Origin, OriginFilter, Shape, print_shaped
from flowexport_mgmt.schema.edits import Operation
from flowexport_mgmt.schema.from_xml import edits_from_xml
from flowexport_mgmt.schema.tree import Defaults

_OPERATIONAL: Final = "operational"
_MAX_DEPTH: Final = 0xFFFF
_ORIGIN_FILTERS: Final = ("origin-filter", "negated-origin-filter")


async def get_data(call: Call) -> Reply:
    """Read a datastore (RFC 8526, section 3.1.1).

    The operational datastore shows all values in use, those of the schema too, unless the client
    asks for less (RFC 8342, section 5.3).
    """
    datastore = parameters.datastore(call.parameters["datastore"])
    _check_origins(call, datastore)
    chosen = _filter(call)
    defaults = parameters.defaults(call.parameters)
    shape = _shape(call, tags=defaults is Defaults.REPORT_ALL_TAGGED)
    document = await _read(call, datastore, chosen, _printed(datastore, defaults, shape))
    if shape.is_plain:
        xml = await call.reader.filtered(document, chosen)
    else:
        selection = await call.reader.select(document, chosen)
        schemas = call.datastore.schema.top_nodes
        xml = print_shaped(document.data, selection, shape, schemas)
    return Output(b'<data xmlns="%b">%b</data>' % (names.NMDA.encode(), xml))


async def edit_data(call: Call) -> Reply:
    """Change a part of a datastore (RFC 8526, section 3.1.2)."""
    target = parameters.writable(call.parameters["datastore"])
    default = parameters.choice(call.parameters, "default-operation", DefaultOperation)
    options = EditOptions(default_operation=Operation(default or DefaultOperation.MERGE))
    edits = edits_from_xml(call.datastore.schema, call.parameters["config"])
    await call.datastore.edit(call.session, target, edits, options)
    return Ok()


def _printed(datastore: str, defaults: Defaults | None, shape: Shape) -> Defaults:
    """Tell how the datastore is printed so that the shape can be given to it."""
    if defaults is None:
        defaults = Defaults.REPORT_ALL if datastore == _OPERATIONAL else Defaults.EXPLICIT
    origins = shape.with_origin or shape.origins is not None
    if origins and defaults is Defaults.REPORT_ALL:
        return Defaults.REPORT_ALL_TAGGED
    return defaults


async def _read(call: Call, datastore: str, chosen: Filter | None, defaults: Defaults) -> Printed:
    if datastore == _OPERATIONAL:
        paths = call.reader.paths_of(chosen)
        return await call.reader.operational(call.session, paths, defaults)
    store = Store.CANDIDATE if datastore == Store.CANDIDATE else Store.RUNNING
    return call.reader.configuration(call.session, store, defaults)


def _filter(call: Call) -> Filter | None:
    subtree, xpath = (call.parameters.get(f"{kind}-filter") for kind in ("subtree", "xpath"))
    if subtree is not None and xpath is not None:
        message = "there is a subtree filter already"
        raise parameters.fault(ErrorTag.BAD_ELEMENT, message, element="xpath-filter")
    if subtree is not None:
        return filter_parameters.subtree(subtree)
    return None if xpath is None else filter_parameters.xpath(xpath)


def _shape(call: Call, *, tags: bool) -> Shape:
    return Shape(
        config=parameters.boolean(call.parameters, "config-filter"),
        depth=_depth(call.parameters.get("max-depth")),
        origins=_origins(call),
        with_origin="with-origin" in call.parameters,
        tags=tags,
    )


def _depth(element: etree._Element | None) -> int:
    if element is None or parameters.text(element) == "unbounded":
        return 0
    depth = parameters.number(element)
    if not 1 <= depth <= _MAX_DEPTH:
        message = f"max-depth: {depth} is not from 1 to {_MAX_DEPTH}"
        raise parameters.fault(ErrorTag.INVALID_VALUE, message, element="max-depth")
    return depth


def _origins(call: Call) -> OriginFilter | None:
    wanted, unwanted = (parameters.all_of(call.operation, name) for name in _ORIGIN_FILTERS)
    if wanted and unwanted:
        message = "origins are either wanted or unwanted"
        raise parameters.fault(ErrorTag.BAD_ELEMENT, message, element=_ORIGIN_FILTERS[1])
    if not wanted and not unwanted:
        return None
    return OriginFilter(frozenset(map(_origin, wanted or unwanted)), negated=bool(unwanted))


def _origin(element: etree._Element) -> Origin:
    name = parameters.identity(element, names.ORIGIN)
    if name not in set(Origin):
        message = f"there is no origin {parameters.text(element)!r}"
        element_name = names.local_name(str(element.tag))
        raise parameters.fault(ErrorTag.INVALID_VALUE, message, element=element_name)
    return Origin(name)


def _check_origins(call: Call, datastore: str) -> None:
    """Refuse to tell origins of what has none (RFC 8526, section 3.1.1)."""
    if datastore == _OPERATIONAL:
        return
    parameters.raise_all(list(_misplaced(call.parameters, datastore)))


def _misplaced(given: parameters.Parameters, datastore: str) -> Iterable[ManagementError]:
    for name in ("with-origin", *_ORIGIN_FILTERS):
        if name in given:
            message = f"{name} is for the operational datastore, not for {datastore}"
            yield parameters.fault(ErrorTag.INVALID_VALUE, message, element=name)


OPERATIONS: Final[Mapping[str, OperationRow]] = {
    f"{{{names.NMDA}}}get-data": OperationRow(
        get_data,
        {
            "datastore": True,
            "subtree-filter": False,
            "xpath-filter": False,
            "config-filter": False,
            "origin-filter": False,
            "negated-origin-filter": False,
            "max-depth": False,
            "with-origin": False,
            "with-defaults": False,
        },
        frozenset(_ORIGIN_FILTERS),
    ),
    f"{{{names.NMDA}}}edit-data": OperationRow(
        edit_data, {"datastore": True, "default-operation": False, "config": True}
    ),
}
