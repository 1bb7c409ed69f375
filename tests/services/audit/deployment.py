"""A deployment without its processes: real stores, files and commands, moved on by hand."""

from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from eventsourcing_sqlalchemy.datastore import SQLAlchemyDatastore
from sqlalchemy import Connection, Table
from sqlalchemy.orm import sessionmaker

from adapters import database
from adapters.drivers.contract import VolumeSpec
from adapters.drivers.file import FileDriver
from adapters.event_store.recorder import EventRecorder
from domain.aggregates.encryption_key import key_of
from domain.encryption import Encryption
from domain.errors import OverQuota
from domain.event import Actor, Moment
from domain.image import ChosenImage
from domain.placement import Pool
from projections import PROJECTIONS, generations
from projections.runner import Runner
from services import composition, settings
from services.commands import HANDLERS
from services.commands.creation import CreateVolume
from services.commands.encryption_key import FinishKeyDestruction, FinishKeyMaking
from services.commands.quota_limits import ChangeQuotaLimits
from services.commands.volume import (
    DeleteVolume,
    DescribeVolume,
    FinishDeletion,
    FinishProvisioning,
    PlaceVolume,
    StartDeletion,
    StartProvisioning,
)
from services.commands.volume_type import EncryptVolumeType, EnsureDefaultVolumeType
from services.settings import Settings
from services.unit_of_work import Commands

MORNING = datetime(2030, 1, 2, 8, 0, 0, tzinfo=UTC)
PROJECT = "5b1d2c0f9a3e4d6b8c7a1e2f3d4c5b6a"
HOST = "host1@files#files"
WORKER = "worker-1"

POOL = Pool(
    name=HOST,
    zone="nova",
    total_gib=100.0,
    free_gib=100.0,
    provisioned_gib=0.0,
    allocated_gib=0.0,
    reserved_percentage=0.0,
    over_subscription_ratio=20.0,
    thin=True,
)


def an_id(number: int) -> UUID:
    """Ids that differ in their first digits."""
    return UUID(int=number << 96 | 0xABC)


class Deployment:
    """Every command takes a second; each user's request has a number."""

    def __init__(self, directory: Path, *, database_url: str = "") -> None:
        flags: dict[str, Any] = {"data_dir": str(directory), "host": "host1"}
        if database_url:
            flags["database.url"] = database_url
        self.settings: Settings = settings.load(environ={}, flags=flags)
        self.options = ["--data-dir", str(directory), "--host-name", "host1"]
        if database_url:
            self.options += ["--database-url", database_url]
        self.second = 0
        self.request = 0

    async def open(self) -> None:
        self.settings.data_path.mkdir(parents=True, exist_ok=True)
        engine = database.engine(self.settings.database_url)
        datastore = SQLAlchemyDatastore(session_maker=sessionmaker(bind=engine))
        self.recorder = EventRecorder(datastore, events_table_name="events")
        engine.dispose()
        self.store = composition.open_store(self.settings)
        self.store.create_tables()
        self.commands = Commands(self.store)
        driver = composition.open_driver(self.settings, "files")
        assert isinstance(driver, FileDriver)
        self.driver = driver
        self.keys = composition.open_key_manager(self.settings)
        await self.driver.check()
        self.volume_type: UUID = await self.run(EnsureDefaultVolumeType, name="__DEFAULT__")

    async def close(self) -> None:
        await self.driver.close()
        await self.store.close()

    async def run(self, kind: type, *, by: str = "ann", cause: str | None = None, **fields: Any):
        """Runs a command; its value."""
        self.second += 1
        if not by.startswith("system:"):
            self.request += 1
        at = Moment(
            at=MORNING + timedelta(seconds=self.second),
            request_id=f"req-{self.request}",
            actor=Actor(by, PROJECT),
            cause=cause,
        )
        return (await self.commands.run(HANDLERS[kind], kind(at=at, **fields))).value

    # what users and processes do

    async def requested(
        self,
        number: int,
        *,
        size_gib: int = 1,
        name: str = "data",
        image: ChosenImage | None = None,
    ) -> UUID:
        id = an_id(number)
        await self.run(
            CreateVolume,
            id=id,
            project_id=PROJECT,
            user_id="ann",
            size_gib=size_gib,
            name=name,
            description=None,
            metadata={},
            volume_type_id=self.volume_type,
            availability_zone=None,
            known_zones=frozenset({"nova"}),
            image=image,
        )
        return id

    async def refused(self, number: int) -> None:
        try:
            await self.requested(number, size_gib=5000)
        except OverQuota:
            return
        raise AssertionError("it should have been refused")

    async def provisioning(self, number: int, *, size_gib: int = 1, name: str = "data") -> UUID:
        id = await self.requested(number, size_gib=size_gib, name=name)
        by, cause = "system:placement", f"{id}:1"
        await self.run(PlaceVolume, by=by, cause=cause, id=id, pools=[POOL])
        by, cause = "system:provisioning", f"{id}:2"
        await self.run(StartProvisioning, by=by, cause=cause, id=id, worker=WORKER)
        return id

    async def available(self, number: int, *, size_gib: int = 1, name: str = "data") -> UUID:
        id = await self.provisioning(number, size_gib=size_gib, name=name)
        await self.driver.create_volume(self.spec(id, size_gib))
        await self.run(
            FinishProvisioning, by="system:provisioning", cause=f"{id}:2", id=id, attempt=1
        )
        return id

    async def encrypted(self, number: int) -> UUID:
        """A request for an encrypted volume, whose key was made."""
        self.volume_type = await self.run(EnsureDefaultVolumeType, name="secret")
        encryption = Encryption(provider="luks", cipher="aes-xts-plain64", key_size=256)
        await self.run(
            EncryptVolumeType,
            id=self.volume_type,
            encryption_id=an_id(number),
            encryption=encryption,
        )
        id = await self.requested(number)
        await self.key_made(id)
        return id

    async def key_made(self, volume_id: UUID) -> None:
        id = key_of(volume_id)
        key_id = await self.keys.create_key(str(id), algorithm="aes", bits=256)
        by, cause = "system:encryption-keys", f"{id}:1"
        await self.run(FinishKeyMaking, by=by, cause=cause, id=id, key_id=key_id)

    async def key_destroyed(self, volume_id: UUID) -> None:
        id = key_of(volume_id)
        await self.keys.delete(str(id))
        await self.run(FinishKeyDestruction, by="system:encryption-keys", id=id)

    async def in_error(self, number: int) -> UUID:
        id = await self.provisioning(number)
        by, failure = "system:provisioning", "the disk is full"
        await self.run(FinishProvisioning, by=by, id=id, attempt=1, failure=failure)
        return id

    async def renamed(self, id: UUID, name: str) -> None:
        await self.run(DescribeVolume, id=id, project_id=PROJECT, name=name)

    async def removing(self, id: UUID) -> int:
        await self.run(DeleteVolume, id=id, project_id=PROJECT)
        attempt: int = await self.run(StartDeletion, by="system:deletion", id=id, worker=WORKER)
        return attempt

    async def deleted(self, id: UUID, *, size_gib: int = 1) -> None:
        attempt = await self.removing(id)
        await self.driver.delete_volume(self.spec(id, size_gib))
        await self.run(FinishDeletion, by="system:deletion", id=id, attempt=attempt)

    async def limited(self, **limits: int) -> None:
        await self.run(ChangeQuotaLimits, subject=PROJECT, limits=limits)

    async def projected(self) -> None:
        """Lets the read models catch up."""
        engine = composition.views_engine(self.settings)
        generations.create_tables(engine, PROJECTIONS)
        runner = Runner(engine, self.store, clock=lambda: MORNING)
        await runner.catch_up()
        runner.close()
        engine.dispose()

    async def history(self) -> None:
        """Some of everything, ending at rest."""
        await self.limited(volumes=50)
        await self.available(1, size_gib=2, name="first")
        await self.renamed(an_id(1), "renamed")
        await self.refused(2)
        await self.deleted(await self.available(3))
        await self.in_error(4)
        await self.projected()

    # looking and breaking

    def spec(self, id: UUID, size_gib: int = 1) -> VolumeSpec:
        return VolumeSpec(id=id, size_gib=size_gib, pool="files", project_id=PROJECT)

    def file_of(self, id: UUID) -> Path:
        """Where the backend keeps a volume."""
        return self.settings.backend_path("files") / "files" / f"volume-{id}"

    @property
    def events(self) -> Table:
        """The event store's table."""
        return self.recorder.table

    def tamper(self, change: Callable[[Connection], object]) -> None:
        """Changes the event store's database behind everybody's back."""
        with _writing(self.settings.database_url) as connection:
            change(connection)

    def tamper_with_views(self, change: Callable[[Connection], object]) -> None:
        """Changes the database of the read models."""
        with _writing(self.settings.views_url) as connection:
            change(connection)


@contextmanager
def _writing(url: str):
    engine = database.engine(url)
    with database.for_writing(engine).begin() as connection:
        yield connection
    engine.dispose()
