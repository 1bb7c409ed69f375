"""/qos-specs: promises about speed that volume types are associated with (api.md 7)."""

from starlette.responses import Response

from domain.errors import InvalidRequest, NotFound
from projections import qos_specs, volume_types
from projections.listing import Query
from projections.qos_specs import QosSpecsRow
from services.api import filters, paging, rules, type_view
from services.api import qos_bodies as bodies
from services.api.call import Call
from services.api.lookup import as_id
from services.api.routing import Parameter, Route
from services.api.volume_view import Link, linker
from services.commands.qos_specs import (
    AssociateQos,
    ChangeQosSpecs,
    CreateQosSpecs,
    DeleteQosSpecs,
    DisassociateQos,
    RemoveQosKeys,
)

CONSUMERS = ("front-end", "back-end", "both")
SORT_KEYS = frozenset({"id", "name", "consumer", "created_at"})
FILTERS = ("id", "name", "consumer")


async def list_all(call: Call) -> Response:
    """All QoS specs."""
    call.check(rules.QOS_GET_ALL)
    part = paging.wanted(call, sort_keys=SORT_KEYS)
    query = Query(
        equals={key: filters.values(call.query[key], str) for key in FILTERS if key in call.query},
        sort=part.sort,
        marker=paging.marker_id(part, kind="qos_specs"),
        limit=part.limit,
        offset=part.offset,
    )
    rows = await call.application.views.read(qos_specs.page, query) if part.limit else []
    links = paging.links(call, part, [str(row.id) for row in rows]) or []
    return call.json(200, bodies.QosList([_shown(r) for r in rows], [Link(**li) for li in links]))


async def show(call: Call) -> Response:
    """One."""
    call.check(rules.QOS_GET)
    return _one(call, await _named(call))


async def create(call: Call) -> Response:
    """Adds QoS specs; their name must not be taken."""
    call.check(rules.QOS_CREATE)
    given = (await call.body(bodies.GivenBody)).qos_specs
    name, consumer = given.get("name"), _consumer(given)
    if name is None:
        raise InvalidRequest("Invalid input for field/attribute qos_specs: a name is required.")
    command = CreateQosSpecs(
        id=call.application.new_id(),
        name=name,
        consumer=consumer or "back-end",
        specs=_own(given),
        at=call.moment(),
    )
    await call.change_catalogue(command)
    row = await call.application.views.read(qos_specs.find, command.id)
    return _one(call, row or _as_requested(command))


async def update(call: Call) -> Response:
    """Sets keys, or the consumer."""
    call.check(rules.QOS_UPDATE)
    given = (await call.body(bodies.GivenBody)).qos_specs
    row = await _named(call)
    if given.get("name") not in (None, row.name):
        raise InvalidRequest("Invalid input for field/attribute name: it cannot be changed.")
    changed = {key: value for key, value in given.items() if value is not None}
    if not changed:
        raise InvalidRequest("Invalid input for field/attribute qos_specs. It sets nothing.")
    await call.change_catalogue(
        ChangeQosSpecs(id=row.id, specs=_own(given), consumer=_consumer(given), at=call.moment())
    )
    return call.json(200, bodies.Changed(changed))


async def delete_keys(call: Call) -> Response:
    """Removes keys."""
    call.check(rules.QOS_DELETE)
    keys = frozenset((await call.body(bodies.KeysBody)).keys)
    row = await _named(call)
    await call.change_catalogue(RemoveQosKeys(id=row.id, keys=keys, at=call.moment()))
    return call.empty(202)


async def delete(call: Call) -> Response:
    """Removes them; `force` even if types have them."""
    call.check(rules.QOS_DELETE)
    force = call.flag("force")
    row = await _named(call)
    await call.change_catalogue(DeleteQosSpecs(id=row.id, force=force, at=call.moment()))
    return call.empty(202)


async def associations(call: Call) -> Response:
    """The volume types that have them."""
    call.check(rules.QOS_GET_ALL)
    row = await _named(call)
    found = await call.application.views.read(volume_types.of_qos, row.id)
    shown = [bodies.Association("volume_type", each.name, str(each.id)) for each in found]
    return call.json(200, bodies.AssociationList(shown))


async def associate(call: Call) -> Response:
    """Gives them to a volume type that has none (Cinder does this by GET)."""
    call.check(rules.QOS_UPDATE)
    row = await _named(call)
    volume_type = await type_view.of_words(call, _type(call))
    await call.change_catalogue(
        AssociateQos(id=row.id, volume_type_id=volume_type.id, at=call.moment())
    )
    return call.empty(202)


async def disassociate(call: Call) -> Response:
    """Takes them from a volume type."""
    call.check(rules.QOS_UPDATE)
    row = await _named(call)
    volume_type = await type_view.of_words(call, _type(call))
    await call.change_catalogue(
        DisassociateQos(id=row.id, volume_type_id=volume_type.id, at=call.moment())
    )
    return call.empty(202)


async def disassociate_all(call: Call) -> Response:
    """Takes them from every volume type."""
    call.check(rules.QOS_UPDATE)
    row = await _named(call)
    await call.change_catalogue(DisassociateQos(id=row.id, at=call.moment()))
    return call.empty(202)


async def _named(call: Call) -> QosSpecsRow:
    """Those of the path. Raises NotFound."""
    text = call.part("qos_id")
    id = as_id(text)
    row = None if id is None else await call.application.views.read(qos_specs.find, id)
    if row is None:
        raise NotFound(kind="qos_specs", id=text[:255])
    return row


def _type(call: Call) -> str:
    wanted = call.query.get("vol_type_id")
    if not wanted:
        raise InvalidRequest("Volume type id must not be empty: vol_type_id is required.")
    return wanted


def _consumer(given: bodies.Given) -> str | None:
    consumer = given.get("consumer")
    if consumer is not None and consumer not in CONSUMERS:
        raise InvalidRequest(f"Valid consumers of QoS specs are {', '.join(CONSUMERS)}.")
    return consumer


def _own(given: bodies.Given) -> dict[str, str]:
    """The specs' own keys."""
    return {k: v for k, v in given.items() if v is not None and k not in bodies.KEYS_OF_OURS}


def _shown(row: QosSpecsRow) -> bodies.QosSpecs:
    return bodies.QosSpecs(str(row.id), row.name, row.consumer, row.specs)


def _one(call: Call, row: QosSpecsRow) -> Response:
    return call.json(200, bodies.OneQos(_shown(row), linker(call, "qos-specs")(str(row.id))))


def _as_requested(command: CreateQosSpecs) -> QosSpecsRow:
    """What the read model will show, when it is late."""
    return QosSpecsRow(
        command.id, command.name.strip(), command.consumer, command.specs, command.at.at
    )


_ALL, _ONE = "/qos-specs", "/qos-specs/{qos_id}"
_TYPE = (Parameter("vol_type_id", "The volume type"),)

ROUTES = (
    Route(
        method="GET",
        path=_ALL,
        handler=list_all,
        summary="List QoS specs",
        query=(*paging.PARAMETERS, *(Parameter(name, f"Of this {name}") for name in FILTERS)),
        answer=bodies.QosList,
        refuses=(404,),
    ),
    Route(
        method="POST",
        path=_ALL,
        handler=create,
        summary="Create QoS specs",
        body=bodies.GivenBody,
        answer=bodies.OneQos,
        refuses=(409, 503),
    ),
    Route(method="GET", path=_ONE, handler=show, summary="Show QoS specs", answer=bodies.OneQos),
    Route(
        method="PUT",
        path=_ONE,
        handler=update,
        summary="Set keys of QoS specs",
        body=bodies.GivenBody,
        answer=bodies.Changed,
        refuses=(409, 503),
    ),
    Route(
        method="DELETE",
        path=_ONE,
        handler=delete,
        summary="Delete QoS specs",
        status=202,
        query=(Parameter("force", "Even if volume types have them", bool),),
        refuses=(409, 503),
    ),
    Route(
        method="PUT",
        path=f"{_ONE}/delete_keys",
        handler=delete_keys,
        summary="Unset keys of QoS specs",
        status=202,
        body=bodies.KeysBody,
        refuses=(409, 503),
    ),
    Route(
        method="GET",
        path=f"{_ONE}/associations",
        handler=associations,
        summary="List the volume types that have QoS specs",
        answer=bodies.AssociationList,
    ),
    Route(
        method="GET",
        path=f"{_ONE}/associate",
        handler=associate,
        summary="Give QoS specs to a volume type",
        status=202,
        query=_TYPE,
        refuses=(409, 503),
    ),
    Route(
        method="GET",
        path=f"{_ONE}/disassociate",
        handler=disassociate,
        summary="Take QoS specs from a volume type",
        status=202,
        query=_TYPE,
        refuses=(409, 503),
    ),
    Route(
        method="GET",
        path=f"{_ONE}/disassociate_all",
        handler=disassociate_all,
        summary="Take QoS specs from every volume type",
        status=202,
        refuses=(409, 503),
    ),
)
