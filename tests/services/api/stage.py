"""The API on real commands, a log in memory and read models on SQLite; workers are played here."""

import itertools
import time
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec

from adapters.drivers.memory import Faults, MemoryBackend, MemoryDriver
from adapters.event_store.memory import MemoryEventStore
from adapters.image_service.memory import MemoryImageService
from adapters.image_service.port import ImageService
from domain.aggregates.quota_limits import DEFAULT_CLASS
from domain.errors import NotAllowed, Superseded, Unavailable
from domain.event import Actor, Event, Moment
from domain.placement import Pool
from domain.quota import Usage
from projections.runner import Runner
from projections.views import Views
from services.api.app import build
from services.api.application import Health, Part, PoolStatus, ServiceStatus
from services.api.identity import Identity
from services.commands import HANDLERS
from services.commands.exporting import ReportExports
from services.commands.snapshot import PlaceSnapshot
from services.commands.volume import (
    FinishDeletion,
    FinishProvisioning,
    PlaceVolume,
    StartDeletion,
    StartProvisioning,
)
from services.commands.volume_type import EnsureDefaultVolumeType
from services.errands import Errand, Outcomes
from services.processes.attaching import Attaching, Detaching
from services.processes.backend_work import spec_of
from services.processes.runtime import ProcessManager
from services.processes.snapshot import CascadingDeletion, SnapshotCreation, SnapshotDeletion
from services.settings import Settings
from services.unit_of_work import Commands
from services.wakeup import Wakeup
from tests.support.read_models import read_models

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PROJECT = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"
USER = "11111111111111111111111111111111"
BACKEND, POOL = "host1@files", "files"
HOST = f"{BACKEND}#{POOL}"
LATEST = {"OpenStack-API-Version": "volume 3.71"}

LIMITS = {
    "volumes": 10,
    "snapshots": 10,
    "gigabytes": 1000,
    "backups": 10,
    "backup_gigabytes": 1000,
    "groups": 10,
    "per_volume_gigabytes": -1,
}


class StagedApplication:
    """Keeps the `Application` port, deterministically: each clock reading is a second later."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        self.settings = settings
        self.store = MemoryEventStore(default_limits=LIMITS)
        engine = read_models(directory)
        self.views = Views(engine)
        self.runner = Runner(engine, self.store, clock=lambda: NOON)
        self.commands = Commands(self.store)
        self.late = False
        """Whether the read models have stopped following."""
        self.unwell: Exception | None = None
        """What every command fails with, if anything."""
        self.makes_backups = True
        """Whether the service of backups is up."""
        self.silent = False
        """Whether the backend does nothing that it is asked for."""
        self.kept_images = MemoryImageService(clock=lambda: NOON)
        self.images: ImageService = self.kept_images
        self.faults = Faults()
        self.backend = MemoryBackend({POOL: 1e9})
        self.driver = MemoryDriver(self.backend, faults=self.faults)
        self._outcomes = Outcomes(self.store, Wakeup())
        self._worked = 0
        self._seconds = itertools.count()
        self._ids = itertools.count(1)
        self.engine = engine

    def clock(self) -> datetime:
        return NOON + timedelta(seconds=next(self._seconds))

    def wait(self, seconds: int) -> None:
        """So much time passes."""
        self._seconds = itertools.count(next(self._seconds) + seconds)

    def new_id(self) -> UUID:
        return UUID(int=(4 << 76) + next(self._ids))

    async def execute(self, command: Any) -> Any:
        if self.unwell is not None:
            raise self.unwell
        done = await self.commands.run(HANDLERS[type(command)], command)
        if not self.late:
            await self.runner.catch_up()
        return done.value

    async def carry_out(self, command: Any) -> Event | None:
        errand = await self.execute(command)
        if not isinstance(errand, Errand):
            return None
        if not self.silent:
            await self.backend_works()
        elif errand.give_up is not None:
            await self.execute(errand.give_up)
        ended = await self._outcomes.so_far(errand)
        if ended is None:
            raise Unavailable(part="backend", reason="no answer")
        failure = errand.failure(ended.event)
        if failure is not None:
            raise failure
        return ended.event

    async def backend_works(self) -> None:
        """What the backend is asked for, as its workers do it."""
        shared: dict[str, Any] = {
            "commands": self.commands,
            "clock": self.clock,
            "backend": BACKEND,
            "driver": self.driver,
            "worker": "w",
            "timeout_s": 10.0,
        }
        kinds = (Attaching, Detaching, SnapshotCreation, SnapshotDeletion)
        managers: list[ProcessManager] = [kind(**shared) for kind in kinds]
        managers.append(CascadingDeletion(commands=self.commands, clock=self.clock))
        while events := await self.store.log(self._worked, 1000):
            self._worked = events[-1].position
            for recorded in events:
                for manager in managers:
                    if type(recorded.event) in manager.reactions:
                        with suppress(NotAllowed, Superseded):
                            await manager.react(recorded)
        if not self.late:
            await self.runner.catch_up()

    async def in_error(self, volume_id: str) -> None:
        """Its backend cannot let anybody reach it any more."""
        at = self.moment()
        await self.execute(ReportExports(id=UUID(volume_id), failure="offline", at=at))

    async def usage(self, project_id: str) -> dict[str, Usage]:
        return await self.store.usage(project_id)

    async def limits(self, subject: str) -> dict[str, int]:
        return {**await self.default_limits(), **await self.store.limits(subject)}

    async def default_limits(self) -> dict[str, int]:
        return {**LIMITS, **await self.store.limits(DEFAULT_CLASS)}

    async def services(self) -> list[ServiceStatus]:
        return [
            ServiceStatus(binary=binary, host=host, zone=zone, up=up, updated_at=NOON)
            for binary, host, zone, up in (
                ("cinder-scheduler", "host1", "nova", True),
                ("cinder-volume", "host1@files", "nova", True),
                ("cinder-volume", "host2@far", "attic", False),
                ("cinder-backup", "host1", "nova", self.makes_backups),
            )
        ]

    async def pools(self) -> list[PoolStatus]:
        capabilities = {"total_capacity_gb": 10.0, "volume_backend_name": "files"}
        return [PoolStatus(name=HOST, zone="nova", capabilities=capabilities, timestamp=NOON)]

    def zones(self) -> frozenset[str]:
        return frozenset({"nova", "attic"})

    async def health(self) -> Health:
        return Health(not self.late, {"views": Part(not self.late, "0 events behind")})

    def moment(self) -> Moment:
        return Moment(at=self.clock(), request_id="req-worker", actor=Actor("worker", PROJECT))


class Stage:
    """An API, a client of it, and workers that do what they are told."""

    def __init__(self, application: StagedApplication, client: httpx.AsyncClient) -> None:
        self.application, self.client = application, client

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        mv: str | None = "3.71",
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """A request below /v3/<PROJECT>, unless the path begins with /v3 or !."""
        url = path.lstrip("!") if path.startswith(("/v3", "!")) else f"/v3/{PROJECT}{path}"
        sent = {} if mv is None else {"OpenStack-API-Version": f"volume {mv}"}
        if body is not None:
            content = msgspec.json.encode(body)
        if content is not None:
            sent["Content-Type"] = "application/json"
        return await self.client.request(
            method, url, content=content, headers={**sent, **(headers or {})}
        )

    async def volume(self, *, project: str = PROJECT, **fields: Any) -> dict[str, Any]:
        """A volume that was just asked for."""
        path = f"/v3/{project}/volumes"
        answer = await self.ask("POST", path, {"volume": {"size": 1, **fields}})
        assert answer.status_code == 202, answer.text
        created: dict[str, Any] = answer.json()["volume"]
        return created

    async def available(self, **fields: Any) -> dict[str, Any]:
        """A volume that a backend holds."""
        created = await self.volume(**fields)
        await self.provisioned(created)
        return created

    async def provisioned(self, created: dict[str, Any]) -> None:
        """A backend holds it from now on."""
        id, run = UUID(created["id"]), self.application.execute
        await run(PlaceVolume(id=id, pools=[a_pool()], at=self.application.moment()))
        attempt = await run(StartProvisioning(id=id, worker="w", at=self.application.moment()))
        spec = spec_of(id, host=HOST, size_gib=created["size"], project_id=PROJECT)
        await self.application.driver.create_volume(spec)
        await run(FinishProvisioning(id=id, attempt=attempt, at=self.application.moment()))

    async def snapshot(
        self, *, of: str | None = None, mv: str = "3.71", **fields: Any
    ) -> dict[str, Any]:
        """A snapshot that was just asked for, of that volume or else of a new one."""
        volume_id = of or (await self.available(size=2))["id"]
        body = {"snapshot": {"volume_id": volume_id, **fields}}
        answer = await self.ask("POST", "/snapshots", body, mv=mv)
        assert answer.status_code == 202, answer.text
        created: dict[str, Any] = answer.json()["snapshot"]
        return created

    async def taken(self, **fields: Any) -> dict[str, Any]:
        """A snapshot that a backend holds, as it is shown then."""
        created = await self.snapshot(**fields)
        id, at = UUID(created["id"]), self.application.moment()
        await self.application.execute(PlaceSnapshot(id=id, pools=[a_pool()], at=at))
        await self.application.backend_works()
        shown: dict[str, Any] = (await self.ask("GET", f"/snapshots/{id}")).json()["snapshot"]
        return shown

    async def told(self, **fields: Any) -> dict[str, Any]:
        """The message about a volume that no backend could take."""
        created = await self.volume(**fields)
        id = UUID(created["id"])
        at = msgspec.structs.replace(self.application.moment(), request_id=f"req-{id}")
        await self.application.execute(PlaceVolume(id=id, pools=[], at=at))
        found = (await self.ask("GET", f"/messages?resource_uuid={id}")).json()["messages"]
        (message,) = found
        return dict(message)

    async def finish_deletion(self, id: str) -> None:
        """The backend's part in deleting a volume."""
        run = self.application.execute
        attempt = await run(StartDeletion(id=UUID(id), worker="w", at=self.application.moment()))
        await run(FinishDeletion(id=UUID(id), attempt=attempt, at=self.application.moment()))

    async def recorded(self) -> int:
        """How many events there are."""
        return await self.application.store.last_position()


@asynccontextmanager
async def staged(
    directory: Path,
    *,
    roles: tuple[str, ...] = ("admin", "member", "reader"),
    policy_file: str = "",
    application: StagedApplication | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    callers: Identity | None = None,
):
    """A stage; with `application` another API on the same data, such as for another caller."""
    settings = msgspec.convert(
        {
            "identity": {
                "roles": roles,
                "default_project": PROJECT,
                "default_user": USER,
            },
            "policy": {"file": policy_file},
        },
        Settings,
    )
    own = application is None
    if application is None:
        application = StagedApplication(directory, settings)
        await application.execute(
            EnsureDefaultVolumeType(name="__DEFAULT__", at=application.moment())
        )
    else:
        application = _seen_by(application, settings)
    transport = httpx.ASGITransport(build(application, monotonic=monotonic, callers=callers))
    async with httpx.AsyncClient(transport=transport, base_url="http://lapilli:8776") as client:
        yield Stage(application, client)
    if own:
        await application.views.close()
        application.engine.dispose()


def _seen_by(application: StagedApplication, settings: Settings) -> StagedApplication:
    twin = object.__new__(StagedApplication)
    twin.__dict__ = {**application.__dict__, "settings": settings}
    return twin


def a_pool() -> Pool:
    """Where there is room for everything."""
    return Pool(
        name=HOST,
        zone="nova",
        total_gib=1e9,
        free_gib=1e9,
        provisioned_gib=0,
        allocated_gib=0,
        reserved_percentage=0,
        over_subscription_ratio=20,
        thin=True,
        capabilities={"multiattach": True},
    )
