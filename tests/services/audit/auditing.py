"""Auditing a deployment from a test."""

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from adapters.bus.port import Parked
from domain.event import Actor
from projections.views import Views
from services import composition
from services.audit import access
from services.audit.objects import Backend
from services.audit.report import Report
from services.audit.verification import Parts, verify
from tests.services.audit.deployment import MORNING, PROJECT, Deployment, an_id

FIRST = an_id(1)
NOON = MORNING + timedelta(hours=4)
MALLORY = Actor("mallory", PROJECT)


async def nothing_parked() -> list[Parked]:
    return []


@asynccontextmanager
async def parts_of(deployment: Deployment, **replaced: Any):
    engine = composition.views_engine(deployment.settings)
    views = Views(engine)
    backend = Backend(host="host1@files", pools=["files"], driver=deployment.driver)
    async with access.open_store(deployment.settings) as (store, log):
        given = {"log": log, "store": store, "views": views, "backends": [backend]}
        given["keys"] = deployment.keys
        yield Parts(**{**given, "parked": nothing_parked, **replaced})
    await views.close()
    engine.dispose()


async def audit(deployment: Deployment, *, at_rest: bool = False, **replaced: Any) -> Report:
    async with parts_of(deployment, **replaced) as parts:
        return await verify(parts, at=NOON, at_rest=at_rest)


def kinds(report: Report) -> set[str]:
    return {finding.kind for finding in report.findings}
