"""/projects: the caller's projects as an identity service would tell, where there is none.

Without one, OpenStack's clients take our endpoint for every service's: `openstack quota show ID`
looks the project up here before it asks for its quota. Any project that could be one is told.
"""

import msgspec
from starlette.responses import Response

from domain.errors import NotFound
from services.api.call import Call
from services.api.routing import Parameter, Route


class Project(msgspec.Struct):
    """A project; its name is its id."""

    id: str
    name: str
    domain_id: str = "default"
    enabled: bool = True


class OneProject(msgspec.Struct):
    """GET /projects/{id}."""

    project: Project


class ProjectList(msgspec.Struct):
    """GET /projects."""

    projects: list[Project]


async def show(call: Call) -> Response:
    """A project that the caller may know: their own, for administrators any."""
    id = call.part("project_id")
    if id != call.caller.project_id and not (call.is_admin and _could_be_one(id)):
        raise NotFound(kind="project", id=id[:255])
    return call.json(200, OneProject(Project(id, id)))


async def list_all(call: Call) -> Response:
    """The caller's project, if it has the name that is asked for."""
    own = call.caller.project_id
    found = [Project(own, own)] if call.query.get("name", own) == own else []
    return call.json(200, ProjectList(found))


def _could_be_one(id: str) -> bool:
    return len(id) <= 255 and id.isprintable()


ROUTES = (
    Route(
        method="GET",
        path="/projects",
        handler=list_all,
        summary="List the caller's project (without an identity service)",
        query=(Parameter("name", "Of this name"),),
        answer=ProjectList,
    ),
    Route(
        method="GET",
        path="/projects/{project_id}",
        handler=show,
        summary="Show a project (without an identity service)",
        answer=OneProject,
    ),
)
