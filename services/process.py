"""One operating-system process: its roles run until it is told to stop."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Sequence

import structlog
import uvloop
from prometheus_client import start_http_server

from domain.errors import Unavailable
from services import composition
from services.node import open_node
from services.roles import role
from services.settings import Settings

log = structlog.get_logger()

CONNECT_PAUSE_S = 0.5


def run(
    settings: Settings,
    roles: Sequence[str],
    *,
    ready: Callable[[], None] = lambda: None,
    listener: socket.socket | None = None,
) -> None:
    """Plays the roles until SIGTERM or SIGINT, then finishes what cannot be left and returns."""
    if settings.metrics.port and "api" not in roles:
        start_http_server(settings.metrics.port, addr=settings.api.host)
    uvloop.run(_run(settings, roles, ready, listener))


async def _run(
    settings: Settings,
    roles: Sequence[str],
    ready: Callable[[], None],
    listener: socket.socket | None,
) -> None:
    instance = composition.instance("+".join(roles) if len(roles) == 1 else "engine")
    playing = asyncio.create_task(_play(settings, roles, instance, ready, listener))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, playing.cancel)
    try:
        await playing
    except asyncio.CancelledError:
        log.info("stopped", instance=instance)


async def _play(
    settings: Settings,
    roles: Sequence[str],
    instance: str,
    ready: Callable[[], None],
    listener: socket.socket | None,
) -> None:
    """Connects, waiting for database and bus as long as it takes, and plays the roles."""
    while True:
        try:
            async with open_node(
                settings, instance=instance, ready=ready, listener=listener
            ) as node:
                log.info("started", instance=instance, roles=list(roles))
                # what is there now stays: collecting it again and again only costs time
                gc.collect()
                gc.freeze()
                async with asyncio.TaskGroup() as group:
                    for name in roles:
                        group.create_task(role(name)(node))
            return
        except* Unavailable as away:
            log.warning("waiting", instance=instance, reason=str(_first(away)))
        await asyncio.sleep(CONNECT_PAUSE_S)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What is at the bottom of a group, of which one is enough to tell."""
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
