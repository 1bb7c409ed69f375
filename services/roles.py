"""What a process of Lapilli can be: API, process managers, relay, projector, backend worker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from typing import Any

import msgspec
import uvicorn

from adapters.drivers.contract import Driver, DriverFailure
from adapters.key_manager.port import PART
from domain.errors import Unavailable
from domain.event import Actor, Event, Moment, Recorded
from projections import PROJECTIONS
from projections.runner import Runner
from services import composition
from services.api.app import build
from services.application import Lapilli
from services.commands import HANDLERS
from services.commands.volume_type import EnsureDefaultVolumeType
from services.http import Server, bind
from services.metrics import VIEW_POSITION
from services.neighbours import Neighbours
from services.node import PROJECTED, Node
from services.notifications.telling import Notifications
from services.processes.attaching import Attaching, Detaching
from services.processes.backend_work import BackendWork, answered
from services.processes.backing_up import BackingUp, Restoring
from services.processes.backup_keeping import BackupDeletion, BackupImport
from services.processes.backup_sweep import sweep_backups, sweep_captures
from services.processes.copying import Copier
from services.processes.deadlines import keep_deadlines
from services.processes.deletion import Deletion
from services.processes.downloading import Downloads
from services.processes.encryption_keys import EncryptionKeys
from services.processes.exporting import Exporting
from services.processes.extension import Extending, ExtensionPlacement
from services.processes.image_cache import ImageKeeping
from services.processes.moving import Moving
from services.processes.notification import Notification
from services.processes.outgoing import Outgoing
from services.processes.placement import Placement
from services.processes.provisioning import Provisioning
from services.processes.remnant_removal import RemnantRemoval
from services.processes.restored import Restored
from services.processes.reverting import Reverting
from services.processes.runtime import ProcessManager, Worker, Workload
from services.processes.settlement import Settlement
from services.processes.snapshot import (
    CascadingDeletion,
    SnapshotCreation,
    SnapshotDeletion,
    SnapshotPlacement,
)
from services.processes.sweep import keep_swept, sweep, sweep_connections, sweep_images, sweep_keys
from services.processes.uploading import Uploading
from services.relay import EveryEvent, Relay, Telling
from services.reports import Report, as_configured, foreign_gib, keep_reporting
from services.wakeup import going_on

BACKUP_SERVICE = "cinder-backup"
BACKEND_WORK: Sequence[type[BackendWork]] = (
    Extending,
    Attaching,
    Detaching,
    Deletion,
    RemnantRemoval,
    ImageKeeping,
    SnapshotCreation,
    SnapshotDeletion,
)

Role = Callable[[Node], Coroutine[Any, Any, None]]
"""Runs until cancelled."""


def role(name: str) -> Role:
    """The role of this name; `backend:NAME` for one backend. Raises KeyError."""
    kind, _, which = name.partition(":")
    if kind == "backend":
        return lambda node: backend(node, which)
    return {"api": api, "processes": processes, "relay": relay, "projector": projector}[kind]


async def api(node: Node) -> None:
    """Answers requests."""
    settings = node.settings
    application = application_of(node)
    await ensure_default_type(node)
    listener = node.listener or bind(settings.api.host, settings.api.port)
    server = Server(
        uvicorn.Config(
            build(application),
            loop="none",
            http="httptools",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
        ),
        ready=node.ready,
    )
    async with AsyncExitStack() as ending, _beside(application.watch(interval_s=1.0)):
        ending.push_async_callback(application.images.close)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            await serving
            raise


def application_of(node: Node) -> Lapilli:
    """What answers them."""
    return Lapilli(
        settings=node.settings,
        store=node.store,
        views=node.views,
        bus=node.bus,
        reports=node.reports,
        commands=node.commands,
        images=node.open_images(),
        default_limits=composition.default_limits(node.settings),
        clock=node.clock,
        new_id=node.new_id,
        appended=node.wakes(),
    )


async def relay(node: Node) -> None:
    """Publishes the log, and the notifications of it."""
    told = node.settings.notifications.enabled
    async with _beside(notifications(node)) if told else nullcontext():
        log = EveryEvent(node.bus)
        await _tell(node, "lapilli-relay", log, seen=node.commands.aggregates.learn)


async def notifications(node: Node) -> None:
    """Tells other programs what happens; also what could not be told, when it is retried."""
    telling = Notifications(
        store=node.store,
        bus=node.bus,
        clock=node.clock,
        keep_s=node.settings.notifications.keep_s,
    )
    retrying = Notification(commands=node.commands, clock=node.clock, notifications=telling)
    async with _beside(_work(node, retrying)):
        await _tell(node, "lapilli-notifications", telling)


async def _tell(
    node: Node,
    binary: str,
    telling: Telling,
    *,
    seen: Callable[[Recorded[Event]], None] = lambda recorded: None,
) -> None:
    """Publishes one stream, while it leads."""
    relaying = Relay(
        store=node.store,
        bus=node.bus,
        holder=node.instance,
        lease_s=node.settings.relay.lease_s,
        batch=node.settings.relay.batch,
        wakeup=node.wakes(),
        telling=telling,
        seen=seen,
        monotonic=node.monotonic,
    )
    async with _reporting(
        node, binary, position=lambda: relaying.position, problem=relaying.problem
    ):
        await relaying.run()


async def projector(node: Node) -> None:
    """Fills the views."""

    def progressed(position: int) -> None:
        node.views.progressed(position)
        VIEW_POSITION.set(position)
        node.aside(node.bus.signal(PROJECTED, str(position).encode()))

    runner = Runner(
        node.views_engine,
        node.store,
        PROJECTIONS,
        clock=node.clock,
        on_progress=progressed,
    )
    try:
        async with _reporting(
            node,
            "lapilli-projector",
            position=lambda: runner.position,
            problem=lambda: "; ".join(runner.troubles().values()) or None,
        ):
            await runner.run(node.wakes())
    finally:
        runner.close()


async def processes(node: Node) -> None:
    """Runs the process managers that belong to no backend."""
    shared: dict[str, Any] = {"commands": node.commands, "clock": node.clock}
    placement = Placement(
        **shared,
        reports=node.reports,
        patience_s=node.settings.placement.patience_s,
        rules=composition.placement_rules(node.settings),
        max_attempts=node.settings.placement.max_attempts,
    )
    rooms = [
        kind(**shared, reports=node.reports) for kind in (ExtensionPlacement, SnapshotPlacement)
    ]
    keys, backups = node.open_keys(), node.open_backups()
    making = EncryptionKeys(
        **shared,
        keys=keys,
        patience_s=node.settings.key_manager.patience_s,
        timeout_s=node.settings.key_manager.timeout_s,
    )
    deadlines = node.settings.deadlines
    late = keep_deadlines(
        node.commands,
        node.views,
        clock=node.clock,
        allowed=deadlines.allowed,
        interval_s=deadlines.interval_s,
        grace_s=deadlines.grace_s,
    )
    try:
        async with (
            _reporting(node, "cinder-scheduler"),
            _reporting(node, BACKUP_SERVICE),
            _beside(late),
            _beside(keep_swept(partial(sweep_keys, node.commands, keys), where=PART)),
            _beside(keep_swept(partial(sweep_backups, node.commands, backups), where="backups")),
        ):
            await _work(
                node,
                placement,
                *rooms,
                Settlement(**shared),
                CascadingDeletion(**shared),
                making,
                BackupDeletion(**shared, store=backups, worker=node.instance),
                BackupImport(**shared, store=backups),
            )
    finally:
        await backups.close()
        await keys.close()


async def backend(node: Node, name: str) -> None:
    """Works for one backend, which is the only one to touch it."""
    settings = node.settings
    driver = node.open_driver(name)
    host = composition.backend_host(settings, name)
    timeout_s = settings.processes.driver_timeout_s
    shared: dict[str, Any] = {
        "commands": node.commands,
        "clock": node.clock,
        "backend": host,
        "driver": driver,
        "worker": node.instance,
        "timeout_s": timeout_s,
    }

    neighbours = Neighbours(settings, name, open_driver=node.open_driver)
    copier = Copier(
        backend=host,
        driver=driver,
        reach=neighbours.driver,
        clock=node.clock,
        timeout_s=settings.processes.copy_timeout_s,
    )
    images = node.open_images()
    downloads = Downloads(
        images=images,
        driver=driver,
        directory=composition.conversion_directory(settings),
        clock=node.clock,
        timeout_s=settings.processes.copy_timeout_s,
    )
    cache = composition.image_cache(settings, name, commands=node.commands, clock=node.clock)
    backups = node.open_backups()
    copies: dict[str, Any] = {"store": backups, "copy_timeout_s": settings.processes.copy_timeout_s}
    restored = Restored(
        commands=node.commands,
        store=backups,
        driver=driver,
        clock=node.clock,
        timeout_s=settings.processes.copy_timeout_s,
    )
    backing_up, restoring = BackingUp(**shared, **copies), Restoring(**shared, **copies)
    exporting = Exporting(
        commands=node.commands,
        views=node.views,
        driver=driver,
        backend=host,
        clock=node.clock,
        new_id=node.new_id,
    )

    async def look() -> Report:
        report = await _backend_report(node, name, driver)
        return msgspec.structs.replace(report, reads_from=neighbours.hosts)

    try:
        await _until_usable(node, driver, look)
        interval_s = settings.report_interval_s
        swept = node.commands, driver
        moment = partial(_moment, node, "sweep")
        sweeping = partial(sweep, *swept, backend=host, timeout_s=timeout_s, moment=moment)
        captures = partial(sweep_captures, *swept, backend=host, timeout_s=timeout_s)
        async with (
            _beside(keep_reporting(node.reports, look, interval_s=interval_s)),
            _beside(keep_swept(partial(sweep_connections, *swept, backend=host), where=host)),
            _beside(keep_swept(sweeping, where=host)),
            _beside(keep_swept(captures, where=host)),
            _beside(keep_swept(partial(sweep_images, node.commands, downloads), where=host)),
            _beside(exporting.keep_exported()),
        ):
            provisioning = Provisioning(
                **shared, copier=copier, downloads=downloads, restored=restored, cache=cache
            )
            uploading = Uploading(
                **shared,
                images=images,
                outgoing=Outgoing(composition.conversion_directory(settings)),
                send_timeout_s=settings.processes.copy_timeout_s,
            )
            work = [kind(**shared) for kind in BACKEND_WORK]
            work += [kind(**shared, copier=copier) for kind in (Moving, Reverting)]
            await _work(node, provisioning, uploading, *work, backing_up, restoring)
    finally:
        await images.close()
        await backups.close()
        await neighbours.close()
        await driver.close()


async def _until_usable(node: Node, driver: Driver, look: Callable[[], Awaitable[Report]]) -> None:
    """A backend that fails its check takes no work, says why, and is asked again."""
    while going_on():
        try:
            await answered(driver.check(), within_s=node.settings.processes.driver_timeout_s)
            return
        except DriverFailure:
            with contextlib.suppress(Unavailable):
                await node.reports.put(await look())
            await asyncio.sleep(node.settings.report_interval_s)


async def _backend_report(node: Node, name: str, driver: Driver) -> Report:
    host = composition.backend_host(node.settings, name)
    stats, problem, foreign = None, None, {}
    try:
        _, before = await node.store.promises()
        timeout_s = node.settings.processes.driver_timeout_s
        told = await answered(driver.stats(), within_s=timeout_s)
        stats = as_configured(told, node.settings.backends[name])
        _, after = await node.store.promises()
        foreign = foreign_gib(stats, host, before, after)
    except DriverFailure as failed:
        problem = failed.reason
    return Report(
        binary="cinder-volume",
        host=host,
        zone=node.settings.backend_zone(name),
        at=node.clock(),
        stats=stats,
        problem=problem,
        foreign_gib=foreign,
    )


async def _work(node: Node, *managers: ProcessManager) -> None:
    """Runs process managers until cancelled."""
    settings = node.settings.processes
    workload = Workload(
        concurrency=settings.concurrency,
        ack_wait_s=settings.ack_wait_s,
        max_deliveries=settings.max_deliveries,
        backoff_s=settings.backoff_s,
    )
    async with asyncio.TaskGroup() as group:
        for manager in managers:
            group.create_task(Worker(manager, bus=node.bus, workload=workload).run())
        node.ready()


@asynccontextmanager
async def _reporting(
    node: Node,
    binary: str,
    *,
    position: Callable[[], int] | None = None,
    problem: Callable[[], str | None] = lambda: None,
) -> AsyncIterator[None]:
    """Shows that this role lives, how far it is in the log, and what keeps it from going on."""
    settings = node.settings

    async def look() -> Report:
        return Report(
            binary=binary,
            host=settings.host_name,
            zone=settings.placement.default_zone,
            at=node.clock(),
            problem=problem(),
            behind=await _behind(node, position()) if position else None,
        )

    node.ready()
    async with _beside(keep_reporting(node.reports, look, interval_s=settings.report_interval_s)):
        yield


async def _behind(node: Node, position: int) -> int:
    return max(0, await node.store.last_position() - position)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs something beside the body, and ends it with the body; its failure ends the body."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        try:
            yield
        finally:
            task.cancel()


def _moment(node: Node, what: str) -> Moment:
    """Now, on behalf of nobody but ourselves."""
    return Moment(
        at=node.clock(), request_id=f"req-{node.new_id()}", actor=Actor(f"system:{what}", "")
    )


async def ensure_default_type(node: Node) -> None:
    """The first start makes the type that volumes get when none is named, and shows it."""
    at = _moment(node, "start")
    command = EnsureDefaultVolumeType(name=node.settings.volume_types.default, at=at)
    made = await node.commands.run(HANDLERS[type(command)], command)
    with contextlib.suppress(Unavailable):  # no projector yet: it will be seen when there is one
        await node.views.wait_for(made.position, node.settings.api.read_your_writes_s)
