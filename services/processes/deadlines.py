"""Giving up what has outlived its deadline, so that nothing is stuck whoever does not come back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from domain.deadlines import WAITS, Allowed
from domain.errors import Conflict, Unavailable
from domain.event import Actor, Moment
from projections import under_way
from projections.under_way import UnderWayRow
from projections.views import Views
from services.commands.giving_up import HANDLERS, GiveUp
from services.unit_of_work import Commands
from services.wakeup import going_on

log = structlog.get_logger()

AT_ONCE = 100
"""How many are looked up, and judged, at a time."""


async def keep_deadlines(
    commands: Commands,
    views: Views,
    *,
    clock: Callable[[], datetime],
    allowed: Allowed,
    interval_s: float,
    grace_s: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Gives up what is overdue, again and again. Runs until cancelled.

    `grace_s` after the start nothing is given up: if everything was down, those who come back with
    this process shall have the time to go on with what they find. Any number of these may run.
    """
    pause_s = grace_s
    while going_on():
        await sleep(pause_s)
        pause_s = interval_s
        try:
            await give_up_overdue(commands, views, clock=clock, allowed=allowed)
        except Unavailable as error:
            log.warning("cannot look for what is overdue", reason=str(error))


async def give_up_overdue(
    commands: Commands, views: Views, *, clock: Callable[[], datetime], allowed: Allowed
) -> int:
    """How much was overdue and was given up. What is only thought to be, because the view is
    behind, is judged by the log and left alone. Raises Unavailable."""
    given_up = 0
    async for late in _late(views, clock(), allowed):
        outcomes = (_give_up(commands, each, clock=clock, allowed=allowed) for each in late)
        given_up += sum(await asyncio.gather(*outcomes))
    return given_up


async def _late(views: Views, now: datetime, allowed: Allowed) -> AsyncIterator[list[UnderWayRow]]:
    limits = {
        (lifecycle, state): now - timedelta(seconds=allowed[wait.deadline])
        for lifecycle, states in WAITS.items()
        for state, wait in states.items()
    }
    last = None
    while rows := await views.read(under_way.older_than, limits, after=last, most=AT_ONCE):
        yield rows
        last = rows[-1]


async def _give_up(
    commands: Commands, late: UnderWayRow, *, clock: Callable[[], datetime], allowed: Allowed
) -> bool:
    """On behalf of the request that it was under way for."""
    at = Moment(
        at=clock(),
        request_id=late.request_id,
        actor=Actor("system:deadlines", late.project_id),
        cause=late.cause,
    )
    command = GiveUp(id=late.subject_id, kind=late.subject_kind, allowed=allowed, at=at)
    try:
        given_up: bool = (await commands.run(HANDLERS[GiveUp], command)).value
    except Conflict as busy:  # something happens to it: there is time to look again
        log.info("not given up yet", id=str(late.subject_id), reason=str(busy))
        return False
    if given_up:
        log.warning("given up", id=str(late.subject_id), state=late.state, since=str(late.since))
    return given_up
