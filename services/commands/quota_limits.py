"""Commands about the quota limits of projects and quota classes."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from domain.aggregates.quota_limits import QuotaLimits, limits_id
from domain.event import Moment
from services.unit_of_work import UnitOfWork


class ChangeQuotaLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Sets some of the own limits of a project or quota class, by resource; -1 is unlimited."""

    subject: str
    limits: dict[str, int]
    at: Moment


class ResetQuotaLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The project or quota class follows the defaults again."""

    subject: str
    at: Moment


async def change_quota_limits(cmd: ChangeQuotaLimits, work: UnitOfWork) -> None:
    """Raises LimitBelowUsage."""
    limits = await work.load(QuotaLimits, limits_id(cmd.subject))
    limits.change(cmd.subject, cmd.limits, cmd.at)
    await work.commit(limits)


async def reset_quota_limits(cmd: ResetQuotaLimits, work: UnitOfWork) -> None:
    """Nothing happens where there are none of its own."""
    limits = await work.load(QuotaLimits, limits_id(cmd.subject))
    limits.reset(cmd.at)
    await work.commit(limits)


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    ChangeQuotaLimits: change_quota_limits,
    ResetQuotaLimits: reset_quota_limits,
}
