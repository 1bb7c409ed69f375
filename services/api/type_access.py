"""Which projects may use a private volume type (api.md 7)."""

import msgspec
from starlette.responses import Response

from domain.errors import InvalidRequest, NotFound
from services.api import rules, type_view
from services.api.bodies import Name
from services.api.call import Call
from services.api.routing import Route
from services.commands.volume_type import GrantTypeAccess, RevokeTypeAccess


class OfProject(msgspec.Struct, forbid_unknown_fields=True):
    """Whose access."""

    project: Name


class ActionBody(
    msgspec.Struct,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"add": "addProjectAccess", "remove": "removeProjectAccess"},
):
    """Exactly one action, by its name."""

    add: OfProject | None = None
    remove: OfProject | None = None


class Access(msgspec.Struct):
    """A project that may use a type."""

    volume_type_id: str
    project_id: str


class AccessList(msgspec.Struct):
    """GET /types/{id}/os-volume-type-access."""

    volume_type_access: list[Access]


async def list_all(call: Call) -> Response:
    """The projects that may use it; of a public type, there is no such list."""
    row = await type_view.named(call)
    call.check(rules.TYPE_ACCESS_LIST)
    if row.is_public:
        raise NotFound(kind="volume_type_access", id=f"of public volume type {row.id}")
    found = [Access(str(row.id), project_id) for project_id in sorted(row.access)]
    return call.json(200, AccessList(found))


async def act(call: Call) -> Response:
    """Grants access to a project, or takes it away."""
    row = await type_view.named(call)
    body = await call.body(ActionBody)
    if (body.add is None) is (body.remove is None):
        raise InvalidRequest("The body must name exactly one action.")
    if body.add is not None:
        call.check(rules.TYPE_ACCESS_ADD)
        add = GrantTypeAccess(id=row.id, project_id=body.add.project, at=call.moment())
        await call.change_catalogue(add)
    elif body.remove is not None:
        call.check(rules.TYPE_ACCESS_REMOVE)
        remove = RevokeTypeAccess(id=row.id, project_id=body.remove.project, at=call.moment())
        await call.change_catalogue(remove)
    return call.empty(202)


ROUTES = (
    Route(
        method="GET",
        path="/types/{type_id}/os-volume-type-access",
        handler=list_all,
        summary="List the projects that may use a private volume type",
        answer=AccessList,
    ),
    Route(
        method="POST",
        path="/types/{type_id}/action",
        handler=act,
        summary="Grant or revoke access to a private volume type",
        status=202,
        body=ActionBody,
        refuses=(409, 503),
    ),
)
