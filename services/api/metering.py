"""What the API counts of itself, and /metrics."""

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.responses import Response

from services.api.call import Call
from services.api.routing import Route

REQUESTS = Counter(
    "lapilli_http_requests_total", "Requests answered", ["method", "route", "status"]
)
SECONDS = Histogram(
    "lapilli_http_request_seconds",
    "From a request's arrival to its answer",
    ["method", "route"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30),
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


def count(method: str, route: str, status: int, seconds: float) -> None:
    """Counts one answer. Labels have few values whatever clients send."""
    verb = method if method in _METHODS else "other"
    REQUESTS.labels(verb, route, status).inc()
    SECONDS.labels(verb, route).observe(seconds)


async def show(call: Call) -> Response:
    """All metrics of this process, or of all processes of this machine that share a directory."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


ROUTE = Route(
    method="GET",
    path="/metrics",
    handler=show,
    summary="Prometheus metrics",
    versioned=False,
    answer=str,
)
