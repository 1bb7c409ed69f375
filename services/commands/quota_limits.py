"""Commands about a project's quota limits."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from domain.aggregates.quota_limits import QuotaLimits, limits_id
from domain.event import Moment
from services.unit_of_work import UnitOfWork


class ChangeQuotaLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Sets some of a project's limits, by resource; -1 is unlimited."""

    project_id: str
    limits: dict[str, int]
    at: Moment


class ResetQuotaLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The project follows the defaults again."""

    project_id: str
    at: Moment


async def change_quota_limits(cmd: ChangeQuotaLimits, work: UnitOfWork) -> None:
    """Raises LimitBelowUsage."""
    limits = await work.load(QuotaLimits, limits_id(cmd.project_id))
    limits.change(cmd.project_id, cmd.limits, cmd.at)
    await work.commit(limits)


async def reset_quota_limits(cmd: ResetQuotaLimits, work: UnitOfWork) -> None:
    """Nothing happens where there are none of its own."""
    limits = await work.load(QuotaLimits, limits_id(cmd.project_id))
    limits.reset(cmd.at)
    await work.commit(limits)


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    ChangeQuotaLimits: change_quota_limits,
    ResetQuotaLimits: reset_quota_limits,
}
