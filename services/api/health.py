"""Whether the API is alive, and whether it can serve; for load balancers and supervisors."""

from starlette.responses import PlainTextResponse, Response

from services.api.application import Health
from services.api.call import Call
from services.api.routing import Route


async def healthcheck(call: Call) -> Response:
    """As Cinder answers it."""
    return PlainTextResponse("OK")


async def live(call: Call) -> Response:
    """Answers if anything does."""
    return call.json(200, {"live": True})


async def ready(call: Call) -> Response:
    """503 while a part that requests need does not work; names the part."""
    health = await call.application.health()
    return call.json(200 if health.ready else 503, health)


ROUTES = (
    Route(
        method="GET",
        path="/healthcheck",
        handler=healthcheck,
        summary="Whether the API answers",
        versioned=False,
        answer=str,
    ),
    Route(
        method="GET",
        path="/health/live",
        handler=live,
        summary="Whether the process is alive",
        versioned=False,
        answer=dict[str, bool],
    ),
    Route(
        method="GET",
        path="/health/ready",
        handler=ready,
        summary="Whether requests can be served, and which parts work",
        versioned=False,
        answer=Health,
        refuses=(503,),
    ),
)
