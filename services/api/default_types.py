"""/default-types: the volume type of a project's volumes that name none (api.md 7, from 3.62)."""

import msgspec
from starlette.responses import Response

from domain.errors import InvalidRequest, NotFound
from projections import default_types
from services.api import microversions, rules, type_view
from services.api.bodies import Name
from services.api.call import Call
from services.api.routing import Route
from services.commands.default_type import ChooseDefaultType, UnsetDefaultType


class Choice(msgspec.Struct, forbid_unknown_fields=True):
    """A volume type, by id or name."""

    volume_type: Name


class ChoiceBody(msgspec.Struct, forbid_unknown_fields=True):
    """PUT /default-types/{project}."""

    default_type: Choice


class DefaultType(msgspec.Struct):
    """A project's own default."""

    project_id: str
    volume_type_id: str


class OneDefault(msgspec.Struct):
    """GET, PUT /default-types/{project}."""

    default_type: DefaultType


class DefaultList(msgspec.Struct):
    """GET /default-types."""

    default_types: list[DefaultType]


async def list_all(call: Call) -> Response:
    """Of every project that has one of its own."""
    call.check(rules.DEFAULT_GET_ALL)
    rows = await call.application.views.read(default_types.every)
    found = [DefaultType(row.project_id, str(row.volume_type_id)) for row in rows]
    return call.json(200, DefaultList(found))


async def show(call: Call) -> Response:
    """Of one project."""
    project_id = _project(call)
    call.check(rules.DEFAULT_GET)
    row = await call.application.views.read(default_types.of_project, project_id)
    if row is None:
        raise NotFound(kind="default_type", id=f"of project {project_id}")
    return call.json(200, OneDefault(DefaultType(row.project_id, str(row.volume_type_id))))


async def choose(call: Call) -> Response:
    """Gives a project a default of its own."""
    project_id = _project(call)
    call.check(rules.DEFAULT_SET)
    wanted = (await call.body(ChoiceBody)).default_type.volume_type
    row = await type_view.of_words(call, wanted)
    await call.change_catalogue(
        ChooseDefaultType(project_id=project_id, volume_type_id=row.id, at=call.moment())
    )
    return call.json(200, OneDefault(DefaultType(project_id, str(row.id))))


async def unset(call: Call) -> Response:
    """Back to the deployment's default."""
    project_id = _project(call)
    call.check(rules.DEFAULT_UNSET)
    await call.change_catalogue(UnsetDefaultType(project_id=project_id, at=call.moment()))
    return call.empty(204)


def _project(call: Call) -> str:
    """The project of the path. Raises InvalidRequest for what cannot be one."""
    project_id = call.part("default_project_id")
    if len(project_id) > 255 or not project_id.isprintable():
        raise InvalidRequest("A project id is at most 255 printable characters.")
    return project_id


_ONE = "/default-types/{default_project_id}"

ROUTES = (
    Route(
        method="GET",
        path="/default-types",
        handler=list_all,
        summary="List the default volume types of projects",
        since=microversions.DEFAULT_TYPES,
        answer=DefaultList,
    ),
    Route(
        method="GET",
        path=_ONE,
        handler=show,
        summary="Show the default volume type of a project",
        since=microversions.DEFAULT_TYPES,
        answer=OneDefault,
    ),
    Route(
        method="PUT",
        path=_ONE,
        handler=choose,
        summary="Choose the default volume type of a project",
        since=microversions.DEFAULT_TYPES,
        body=ChoiceBody,
        answer=OneDefault,
        refuses=(409, 503),
    ),
    Route(
        method="DELETE",
        path=_ONE,
        handler=unset,
        summary="Let a project follow the deployment's default volume type",
        since=microversions.DEFAULT_TYPES,
        status=204,
        refuses=(409, 503),
    ),
)
