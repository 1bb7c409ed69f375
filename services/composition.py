"""Putting the parts together, as the settings say."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from adapters import database
from adapters.backup_store.directory import DirectoryShelf
from adapters.backup_store.port import BackupStore
from adapters.backup_store.store import ChunkedBackupStore
from adapters.bus.nats import NatsBus
from adapters.drivers.contract import Driver
from adapters.drivers.file import FileDriver
from adapters.drivers.memory import MemoryBackend, MemoryDriver
from adapters.event_store.sql import SqlEventStore
from adapters.image_service.directory import DirectoryImageService
from adapters.image_service.port import PART as IMAGES_PART
from adapters.image_service.port import ImageService
from adapters.key_manager.file import FileKeyManager
from adapters.key_manager.port import PART, KeyManager
from domain.aggregates.image_cache import Limits
from domain.errors import Unavailable
from domain.placement import Rules
from services.processes.image_cache import CachedImages
from services.settings import Settings
from services.unit_of_work import Commands

MIB = 2**20


def now() -> datetime:
    """The clock of real processes."""
    return datetime.now(UTC)


def default_limits(settings: Settings) -> dict[str, int]:
    """Quota of a project that has no limits of its own, by resource."""
    quota = settings.quota
    return {
        "volumes": quota.volumes,
        "snapshots": quota.snapshots,
        "gigabytes": quota.gigabytes,
        "backups": quota.backups,
        "backup_gigabytes": quota.backup_gigabytes,
        "groups": quota.groups,
        "per_volume_gigabytes": quota.per_volume_gigabytes,
    }


def open_store(settings: Settings) -> SqlEventStore:
    """The event store; its tables may have to be made."""
    engine = database.engine(settings.database_url, pool_size=settings.database.pool_size)
    return SqlEventStore(engine, default_limits=default_limits(settings))


def views_engine(settings: Settings) -> Engine:
    """Where the read models are kept.

    On SQLite in a file of their own, so that filling them does not wait for the log's writers.
    They can be rebuilt, which is why they need not survive the loss of power by themselves.
    """
    return database.engine(settings.views_url, durable=False, pool_size=settings.database.pool_size)


def nats_servers(settings: Settings) -> list[str]:
    """The configured servers, or the embedded one where it was last started."""
    if not settings.nats_is_embedded:
        return [url.strip() for url in settings.nats.url.split(",")]
    try:
        return [nats_url_file(settings).read_text().strip()]
    except FileNotFoundError:
        raise Unavailable(
            part="message bus", reason=f"no nats-server was ever started in {settings.nats_path}"
        ) from None


def nats_url_file(settings: Settings) -> Path:
    """Where `lapilli serve` tells other commands how to reach its nats-server."""
    return settings.data_path / "nats.url"


@asynccontextmanager
async def open_bus(settings: Settings, *, name: str) -> AsyncIterator[NatsBus]:
    """A connection to the message bus. Raises Unavailable."""
    bus = await NatsBus.connect(
        nats_servers(settings),
        name=name,
        replicas=settings.nats.replicas,
        max_bytes=settings.nats.max_stream_bytes,
        timeout_s=settings.nats.timeout_s,
    )
    try:
        yield bus
    finally:
        await bus.close()


def open_driver(settings: Settings, backend: str) -> Driver:
    """The driver of a configured backend. Raises KeyError if there is no such backend.

    A directory that the settings name must exist, since a missing one is usually a missing mount;
    the one in our own data directory is made.
    """
    configured = settings.backends[backend]
    pools = settings.backend_pools(backend)
    known_as = configured.volume_backend_name or backend
    if configured.driver == "memory":
        capacities = dict.fromkeys(pools, configured.capacity_gib)
        return MemoryDriver(MemoryBackend(capacities), volume_backend_name=known_as)
    directory = settings.backend_path(backend)
    if not configured.directory:
        directory.mkdir(parents=True, exist_ok=True)
    return FileDriver(
        directory,
        pools,
        volume_backend_name=known_as,
        max_over_subscription_ratio=settings.placement.over_subscription_ratio,
        reserved_percentage=settings.placement.reserved_percentage,
        nbd_host=configured.nbd_host,
        nbd_first_port=configured.nbd_first_port,
    )


def open_key_manager(settings: Settings) -> KeyManager:
    """What keeps the keys of encrypted volumes. Directories are treated as by `open_driver`.

    Raises Unavailable if castellan is wanted and cannot be used.
    """
    configured = settings.key_manager
    if configured.driver == "castellan":
        try:
            from adapters.key_manager import castellan
        except ImportError as missing:
            reason = f"castellan is not installed: {missing}"
            raise Unavailable(part=PART, reason=reason) from missing
        return castellan.opened(Path(configured.config).expanduser())
    if not configured.directory:
        settings.keys_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return FileKeyManager(settings.keys_path)


def open_backup_store(settings: Settings) -> BackupStore:
    """What keeps backups. Directories are treated as by `open_driver`."""
    configured = settings.backups
    if not configured.directory:
        settings.backups_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return ChunkedBackupStore(
        DirectoryShelf(settings.backups_path),
        chunk_bytes=configured.chunk_mib * MIB,
        compression=configured.compression,
    )


def open_image_service(settings: Settings) -> ImageService:
    """Where images are. Directories are treated as by `open_driver`.

    Raises Unavailable if Glance is wanted and cannot be used.
    """
    configured = settings.image_service
    if configured.driver == "glance":
        try:
            from adapters.image_service import glance
        except ImportError as missing:
            reason = f"openstacksdk is not installed: {missing}"
            raise Unavailable(part=IMAGES_PART, reason=reason) from missing
        return glance.opened(
            cloud=configured.cloud, endpoint=configured.endpoint, timeout_s=configured.timeout_s
        )
    if not configured.directory:
        settings.images_path.mkdir(parents=True, exist_ok=True)
    return DirectoryImageService(settings.images_path)


def conversion_directory(settings: Settings) -> Path:
    """Where images lie that have to be converted. Treated as by `open_driver`."""
    if not settings.image_service.conversion_directory:
        settings.conversion_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return settings.conversion_path


def backend_host(settings: Settings, backend: str) -> str:
    """host@backend, under which volumes are placed."""
    return f"{settings.host_name}@{backend}"


def placement_rules(settings: Settings) -> Rules:
    """Which filters and weighers decide where volumes go."""
    chosen = settings.placement
    multipliers: dict[str, float] = {
        "CapacityWeigher": chosen.capacity_multiplier,
        "AllocatedCapacityWeigher": chosen.allocated_capacity_multiplier,
        "VolumeNumberWeigher": chosen.volume_number_multiplier,
        "GoodnessWeigher": chosen.goodness_multiplier,
    }
    weighers: dict[str, float] = {name: multipliers[name] for name in chosen.weighers}
    return Rules(filters=chosen.filters, weighers=weighers, copies_stay=chosen.copies_stay)


def instance(role: str) -> str:
    """Names one process of a role: for claims, leases and logs."""
    return f"{role}-{os.uname().nodename.partition('.')[0]}-{os.getpid()}"


def kept_images(settings: Settings, backend: str) -> Limits | None:
    """How many images a backend keeps; None: none."""
    chosen = settings.backends[backend]
    if not chosen.image_cache:
        return None
    return Limits(max_count=chosen.image_cache_max_count, max_gib=chosen.image_cache_max_gib)


def image_cache(
    settings: Settings, name: str, *, commands: Commands, clock: Callable[[], datetime]
) -> CachedImages | None:
    """The images that a backend keeps; None: it keeps none."""
    limits = kept_images(settings, name)
    if limits is None:
        return None
    return CachedImages(
        commands=commands,
        backend=backend_host(settings, name),
        clock=clock,
        limits=limits,
        project_id=settings.image_cache.project_id,
    )
