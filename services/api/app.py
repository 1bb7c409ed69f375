"""The API assembled: what happens to every request, whatever it asks for."""

import time
from collections.abc import Callable
from urllib.parse import quote

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from domain.errors import LimitBelowUsage, OverQuota
from services.api import (
    attachments,
    backup_actions,
    backups,
    default_types,
    discovery,
    faults,
    health,
    limits,
    messages,
    metering,
    microversions,
    openapi,
    pools,
    projects,
    qos_specs,
    quota_classes,
    quotas,
    service_actions,
    services,
    snapshot_actions,
    snapshots,
    transfers,
    type_access,
    type_encryption,
    type_specs,
    types,
    volume_actions,
    volume_encryption,
    volume_metadata,
    volumes,
    zones,
)
from services.api.application import Application
from services.api.call import Call
from services.api.catalogue import Catalogue
from services.api.faults import Fault
from services.api.identity import Credentials, Handshake, Identity, Trusting
from services.api.policy import Policy
from services.api.quota_resources import by_type_names
from services.api.routing import Found, Route, Router

log = structlog.get_logger(__name__)

ROUTES: tuple[Route, ...] = (
    *volumes.ROUTES,
    *volume_metadata.ROUTES,
    *volume_actions.ROUTES,
    *snapshots.ROUTES,
    *snapshot_actions.ROUTES,
    *transfers.ROUTES,
    *volume_encryption.ROUTES,
    *attachments.ROUTES,
    *backups.ROUTES,
    *backup_actions.ROUTES,
    *types.ROUTES,
    *type_specs.ROUTES,
    *type_access.ROUTES,
    *type_encryption.ROUTES,
    *qos_specs.ROUTES,
    *default_types.ROUTES,
    *quotas.ROUTES,
    *quota_classes.ROUTES,
    *limits.ROUTES,
    *services.ROUTES,
    *service_actions.ROUTES,
    *messages.ROUTES,
    *pools.ROUTES,
    *zones.ROUTES,
    *discovery.ROUTES,
    *health.ROUTES,
)


def build(
    application: Application,
    *,
    callers: Identity | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> ASGIApp:
    """The ASGI app. `callers` says who is calling; without it everybody is trusted.

    Raises PolicyFileError.
    """
    settings = application.settings
    metrics = (metering.ROUTE,) if settings.metrics.enabled else ()
    alone = projects.ROUTES if callers is None else ()
    routes = (*ROUTES, *alone, *metrics)
    return Api(
        application,
        router=Router((*routes, openapi.route(routes))),
        callers=callers or Trusting(settings),
        policy=Policy(file=settings.policy.file, monotonic=monotonic),
        catalogue=Catalogue(application.views, monotonic=monotonic),
        monotonic=monotonic,
    )


class Api:
    """The only layer between the HTTP server and the resources.

    It names the request, finds caller, microversion and route, in this order (as Cinder does, so
    that the same mistake gets the same answer), and turns errors into answers.
    """

    def __init__(
        self,
        application: Application,
        *,
        router: Router,
        callers: Identity,
        policy: Policy,
        catalogue: Catalogue,
        monotonic: Callable[[], float],
    ) -> None:
        self._application = application
        self._router = router
        self._callers = callers
        self._policy = policy
        self._catalogue = catalogue
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = self._monotonic()
        call = Call(
            Request(scope, receive),
            application=self._application,
            policy=self._policy,
            catalogue=self._catalogue,
            request_id=f"req-{self._application.new_id()}",
        )
        found = self._router.find(scope["method"], scope["path"])
        try:
            answer = await self._answer(call, found)
        except ClientDisconnect:
            return
        except Handshake as handshake:
            answer = _token(call, handshake.token)
        except Exception as error:
            answer = _refusal(call, error)
        _finish(call, answer)
        route = found.route.path if found.route else "none"
        metering.count(scope["method"], route, answer.status_code, self._monotonic() - started)
        await answer(scope, receive, send)
        _note(call, scope, answer.status_code)

    async def _answer(self, call: Call, found: Found) -> Response:
        headers, route = call.http.headers, found.route
        call.parts, call.path_project = found.parts, found.project
        if route is not None and not route.versioned:
            return await route.handler(call)
        call.caller = await self._callers.caller(
            Credentials(
                token=headers.get("x-auth-token"),
                path_project=found.project,
                login_user=headers.get("x-auth-user"),
                login_project=headers.get("x-auth-project-id"),
            )
        )
        call.microversion = microversions.negotiated(headers.get(microversions.HEADER))
        if route is None or route.since > call.microversion:
            raise Fault(404, "The resource could not be found.")
        if found.project is not None and found.project != call.caller.project_id:
            raise Fault(400, "Malformed request URL: its project is not that of the token.")
        try:
            return await route.handler(call)
        except (OverQuota, LimitBelowUsage) as refusal:
            raise await by_type_names(call, refusal) from refusal


def _refusal(call: Call, error: Exception) -> Response:
    refusal = faults.rendered(error, request_id=call.request_id)
    return Response(refusal.body, refusal.code, refusal.headers, media_type="application/json")


def _token(call: Call, token: str) -> Response:
    """Cinder's answer to a client that asks for a token where there is no identity service."""
    url = f"{call.base}/v3{call.project_path}"
    return Response(
        status_code=204,
        headers={"X-Auth-Token": quote(token, safe=":"), "X-Server-Management-Url": url},
    )


def _finish(call: Call, answer: Response) -> None:
    """What every answer carries."""
    request_id = call.request_id.encode()
    answer.raw_headers += [
        (b"x-openstack-request-id", request_id),
        (b"x-compute-request-id", request_id),
        (b"openstack-api-version", _VERSIONS[call.microversion]),
        (b"vary", b"OpenStack-API-Version"),
    ]


_VERSIONS = [
    f"{microversions.SERVICE} {microversions.text(number)}".encode()
    for number in range(microversions.HIGHEST + 1)
]


def _note(call: Call, scope: Scope, status: int) -> None:
    """A line in the log: what changes things or fails is worth more than what only looks."""
    say = log.debug if scope["method"] == "GET" and status < 500 else log.info
    say(
        "request",
        method=scope["method"],
        path=scope["path"],
        status=status,
        request_id=call.request_id,
        global_request_id=call.http.headers.get("x-openstack-request-id"),
        project=call.caller.project_id,
    )


async def _lifespan(receive: Receive, send: Send) -> None:
    """What is started and stopped belongs to the composition; nothing is here."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
