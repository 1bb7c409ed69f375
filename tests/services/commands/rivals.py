"""What can be asked of one volume, by whom, and in which situations: the registry of rivals.

A new command about a volume needs one line here; so does a new situation.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

from domain.aggregates.encryption_key import key_of
from domain.aggregates.image_cache import ImageCache, Limits, cache_id, entry_volume_id
from domain.aggregates.service import VOLUME_SERVICE, ServiceName
from domain.aggregates.volume.under_way import Upload
from domain.encryption import Encryption
from domain.image import UploadedImage
from services.commands import exporting
from services.commands.attaching import (
    AbandonAttachment,
    AttachVolume,
    CompleteAttachment,
    ConnectAttachment,
    ConnectNode,
    CreateAttachment,
    DetachVolume,
    DisconnectNode,
    HoldVolume,
)
from services.commands.backup import CreateBackup, DeleteBackup, ResetBackup, RestoreBackup
from services.commands.backup_work import (
    FinishBackup,
    FinishRestore,
    RecordCaptured,
    StartBackup,
    StartRestore,
)
from services.commands.creation import CreateVolume, create_volume
from services.commands.encryption_key import FinishKeyMaking
from services.commands.extension import (
    ExtendVolume,
    FinishExtension,
    PlaceExtension,
    StartExtension,
)
from services.commands.following import GoOnDeleting
from services.commands.giving_up import GiveUp
from services.commands.image_cache import (
    EndWait,
    EvictCachedImage,
    ReleaseCachedImage,
    WantCachedImage,
)
from services.commands.remnant import RecallRemnant
from services.commands.reverting import FinishReversion, RevertVolume, StartReversion
from services.commands.service import DisableService, FreezeBackend
from services.commands.snapshot import (
    ChangeSnapshotMetadata,
    CreateSnapshot,
    DeleteSnapshot,
    DescribeSnapshot,
    ResetSnapshot,
)
from services.commands.snapshot_report import ReportSnapshot
from services.commands.transfer import AcceptTransfer, OfferVolume, WithdrawTransfer
from services.commands.uploading import AbandonUpload, FinishUpload, StartUpload, UploadVolume
from services.commands.volume import (
    ChangeVolumeMetadata,
    DeleteVolume,
    DescribeVolume,
    StartProvisioning,
)
from services.commands.volume_properties import ChangeImageMetadata, SetBootable, SetReadonly
from services.commands.volume_reset import ResetVolume
from services.unit_of_work import UnitOfWork
from tests.services.commands import moving
from tests.services.commands.rivalry import (
    ID,
    A,
    Rival,
    S,
    by,
    copied,
    given,
    of_the_move,
    of_the_snapshot,
    own,
    settle,
    step,
    tag,
    tags,
    told,
    told_of,
)
from tests.services.commands.world import PATHS, SNAPSHOT_STEPS, STEPS, World, snapshot_id
from tests.services.processes.lateness import ALLOWED
from tests.support.builders import (
    AN_IMAGE,
    HOST,
    PROJECT,
    THERE,
    USER,
    ZONE,
    a_moment,
    a_pool,
    an_id,
)

BACKEND = HOST.partition("#")[0]
KEY, OTHER_PROJECT = "0123456789abcdef", "another-project"
NODE = {"host": "node1", "ip": "192.0.2.1"}
LONG_S = 3 * 86_400.0
COPY = an_id(0xC0)
"""A volume that is made from the same image."""


def _server(number: int) -> str:
    return str(an_id(0x50 + number))


async def _image(world: World) -> UUID:
    """That the volume becomes, or another one."""
    wanted = (await world.volume()).under_way
    return UUID(wanted.image_id) if isinstance(wanted, Upload) else an_id(0x60)


async def upload_started(world: World, number: int) -> StartUpload:
    image_id = str(await _image(world))
    return StartUpload(id=ID, image_id=image_id, worker=tag(number), at=a_moment())


async def upload_abandoned(world: World, number: int) -> AbandonUpload:
    image_id = await _image(world)
    return AbandonUpload(id=ID, image_id=image_id, reason="it is away", at=a_moment())


USERS: Mapping[str, Rival] = {
    "delete": own(DeleteVolume),
    "force delete": own(DeleteVolume, force=True),
    "extend": own(ExtendVolume, new_size_gib=lambda number: 4 + number),
    "name": own(DescribeVolume, name=tag),
    "describe": own(DescribeVolume, description=tag),
    "set metadata": own(ChangeVolumeMetadata, set=tags),
    "replace metadata": own(ChangeVolumeMetadata, set=tags, replace=True),
    "set bootable": own(SetBootable, bootable=True),
    "set image metadata": own(ChangeImageMetadata, set=tags),
    "set readonly": own(SetReadonly, readonly=True),
    "reset to available": own(ResetVolume, status="available"),
    "reset to error": own(ResetVolume, status="error"),
    "reset to error_deleting": own(ResetVolume, status="error_deleting"),
    "offer": given(
        OfferVolume, id=lambda number: an_id(10 + number), volume_id=ID, project_id=PROJECT,
        user_id=USER, name=tag, key=KEY, salt="s",
    ),
    "clone": given(
        CreateVolume, id=lambda number: an_id(30 + number), project_id=PROJECT, user_id=USER,
        size_gib=None, name=tag, description=None, metadata={}, volume_type_id=None,
        source_volume_id=ID, availability_zone=None, known_zones=frozenset({ZONE}),
    ),
    "retype": by(moving.retype),
    "retype on demand": by(moving.retype, policy="on-demand"),
    "migrate": by(moving.migrate),
    "upload": own(
        UploadVolume, image_id=lambda number: an_id(0x60 + number), image=UploadedImage(name="i")
    ),
    "reserve": own(HoldVolume, wish="reserve"),
    "attach": own(
        AttachVolume, attachment_id=lambda number: an_id(20 + number), server_id=_server, node=None,
        device="/dev/vdb", mode="rw",
    ),
    "create an attachment": own(
        CreateAttachment, attachment_id=lambda number: an_id(20 + number), server_id=_server,
        mode=None,
    ),
    "connect a node": own(ConnectNode, connector=NODE),
    "freeze its backend": given(FreezeBackend, host=BACKEND),
    "disable its backend": given(DisableService, name=ServiceName(VOLUME_SERVICE, BACKEND)),
}  # fmt: skip
"""What users and administrators can ask for at any time."""

ALIKE = {
    "describe": "name",
    "set metadata": "name",
    "replace metadata": "name",
    "set bootable": "name",
    "set image metadata": "name",
    "reset to error_deleting": "reset to available",
    "clone": "extend",
    "retype on demand": "retype",
    "connect a node": "reserve",
    "disable its backend": "freeze its backend",
}
"""Those that decide by the same as another one: they need not meet everybody everywhere, too."""

SOMETIMES: Mapping[str, Rival] = {
    "offered": given(
        OfferVolume, id=an_id(9), volume_id=ID, project_id=PROJECT, user_id=USER, name=None,
        key=KEY, salt="s",
    ),
    "accept": given(
        AcceptTransfer, id=an_id(9), key=KEY, project_id=OTHER_PROJECT, user_id=tag
    ),
    "offered without snapshots": given(
        OfferVolume, id=an_id(9), volume_id=ID, project_id=PROJECT, user_id=USER, name=None,
        key=KEY, salt="s", no_snapshots=True,
    ),
    "snapshot": given(
        CreateSnapshot, id=lambda number: snapshot_id(2 + number), volume_id=ID,
        of_project=PROJECT, user_id=USER, name=tag, description=None, metadata={}, force=True,
    ),
    "delete with snapshots": own(DeleteVolume, cascade=True),
    "delete the snapshot": given(DeleteSnapshot, id=S, project_id=PROJECT),
    "force delete the snapshot": given(DeleteSnapshot, id=S, project_id=PROJECT, force=True),
    "describe the snapshot": given(DescribeSnapshot, id=S, project_id=PROJECT, name=tag),
    "set the snapshot's metadata": given(
        ChangeSnapshotMetadata, id=S, project_id=PROJECT, set=tags
    ),
    "reset the snapshot": given(ResetSnapshot, id=S, project_id=None, status="error"),
    "say the snapshot failed": given(ReportSnapshot, id=S, project_id=PROJECT, status="error"),
    "withdraw": given(WithdrawTransfer, id=an_id(9), project_id=PROJECT),
    "revert": own(RevertVolume, snapshot_id=S),
    "unreserve": own(HoldVolume, wish="unreserve"),
    "reserved": own(CreateAttachment, attachment_id=A, server_id=_server(9), mode=None),
    "connect": own(ConnectAttachment, attachment_id=A, connector=NODE),
    "complete": own(CompleteAttachment, attachment_id=A),
    "begin detaching": own(HoldVolume, wish="begin detaching"),
    "roll detaching": own(HoldVolume, wish="roll detaching"),
    "detach": own(DetachVolume, attachment_id=A),
    "disconnect a node": own(DisconnectNode, connector=NODE),
}  # fmt: skip
"""What they can ask for where there is something to ask it of."""

WORKERS: Mapping[str, Rival] = {
    **{name: step(each) for name, each in STEPS.items() if name not in ("delete", "force")},
    "place the extension": given(PlaceExtension, id=ID, pools=[a_pool()]),
    "place the extension nowhere": given(PlaceExtension, id=ID, pools=[]),
    "start the extension": given(StartExtension, id=ID, worker=tag),
    "extended": told(FinishExtension),
    "not extended": told(FinishExtension, failure="backend says no"),
    "start the reversion": given(StartReversion, id=ID, worker=tag),
    "reverted": told(FinishReversion),
    "not reverted": told(FinishReversion, failure="backend says no"),
    "place the move here": of_the_move(moving.place, HOST),
    "place the move there": of_the_move(moving.place, HOST, THERE),
    "place the move nowhere": of_the_move(moving.place),
    "start the move": of_the_move(moving.start),
    "copied": of_the_move(copied),
    "moved": of_the_move(moving.finish),
    "not moved": of_the_move(moving.finish, "backend says no"),
    "start connecting": given(exporting.StartConnection, id=ID, attachment_id=A, worker=tag),
    "connected": told_of(exporting.FinishConnection, driver_volume_type="nbd"),
    "not connected": told_of(exporting.FinishConnection, failure="backend says no"),
    "start disconnecting": given(
        exporting.StartDisconnection, id=ID, attachment_id=A, worker=tag
    ),
    "disconnected": told_of(exporting.FinishDisconnection),
    "not disconnected": told_of(exporting.FinishDisconnection, failure="backend says no"),
    "nobody waits": given(AbandonAttachment, id=ID, attachment_id=A, reason="late"),
    "start the upload": upload_started,
    "uploaded": told(FinishUpload),
    "not uploaded": told(FinishUpload, failure="it is away"),
    "no image": upload_abandoned,
    "exports lost": given(exporting.ReportExports, id=ID, failure="node gone"),
    "key made": given(FinishKeyMaking, id=key_of(ID), key_id="k"),
    "key not made": given(FinishKeyMaking, id=key_of(ID), failure="no key manager"),
    **{name: of_the_snapshot(each) for name, each in SNAPSHOT_STEPS.items()},
    "give up the snapshot": given(
        GiveUp, second=LONG_S, id=S, kind="snapshot", allowed=ALLOWED
    ),
    "keep its image no longer": given(EvictCachedImage, id=ID, backend=BACKEND, reason="room"),
    "copy its image": given(StartProvisioning, id=COPY, worker=tag, kept_by=ID),
    "wait for an image no longer": given(EndWait, id=ID, kept_by=entry_volume_id(ID)),
    "go on deleting": given(GoOnDeleting, id=ID),
    "settle": settle,
    "give up": given(GiveUp, second=LONG_S, id=ID, allowed=ALLOWED),
}  # fmt: skip
"""What processes tell."""

_B = an_id(0xB0 + 7)
"""The backup of a situation that has one."""

BACKUPS: Mapping[str, Rival] = {
    "back up": given(
        CreateBackup, id=lambda number: an_id(0xB0 + number), volume_id=ID, project_id=PROJECT,
        of_project=PROJECT, user_id=USER, name=tag, description=None,
    ),
    "restore": given(RestoreBackup, id=_B, project_id=PROJECT, volume_id=ID),
    "delete the backup": given(DeleteBackup, id=_B, project_id=PROJECT, force=True),
    "reset the backup": given(ResetBackup, id=_B, project_id=PROJECT, status="error"),
    "start the backup": given(StartBackup, id=_B, worker=tag),
    "captured": given(RecordCaptured, id=_B, attempt=1),
    "backed up": given(FinishBackup, id=_B, attempt=1),
    "not backed up": given(FinishBackup, id=_B, attempt=1, failure="store full"),
    "start the restore": given(StartRestore, id=_B, worker=tag),
    "restored": given(FinishRestore, id=_B, attempt=2),
    "not restored": given(FinishRestore, id=_B, attempt=2, failure="chunk 7 is damaged"),
    "give the backup up": given(GiveUp, second=10 * LONG_S, id=_B, kind="backup", allowed=ALLOWED),
}  # fmt: skip
"""What can be asked and told of its backups."""

RIVALS = {**BACKUPS, **USERS, **SOMETIMES, **WORKERS}

ELSEWHERE: Mapping[type, str] = {
    WantCachedImage: "makes another volume: two of them meet in the cache",
    ReleaseCachedImage: "lets go of another volume, which anybody may",
    RecallRemnant: "changes a remnant, while the volume is as it was read",
}
"""Commands that are no rivals, and why not."""


def _after(
    *steps: str, state: str = "available", encrypted: bool = False
) -> Callable[[], Awaitable[World]]:
    """A volume that came into this state, and then these steps of RIVALS."""

    async def situation() -> World:
        world = await World().has_a_type()
        await world.run(moving.a_silver_type())
        if encrypted:
            await world.has_encryption(Encryption(provider="luks", key_size=256))
        await world.has_a_volume(in_state=state)
        for name in steps:
            await world.run(await RIVALS[name](world, 7))
        return world

    return situation


_BACKED_UP = ("back up", "start the backup", "captured", "backed up")


def _with_a_snapshot(*steps: str, state: str = "available") -> Callable[[], Awaitable[World]]:
    """An available volume with a snapshot in this state, and then these steps of RIVALS."""

    async def situation() -> World:
        world = await _after()()
        await world.has_a_snapshot(in_state=state)
        for name in steps:
            await world.run(await RIVALS[name](world, 7))
        return world

    return situation


async def _keeping_an_image() -> World:
    """Its own, which another volume is about to be made from."""
    cache = ImageCache(id=cache_id(BACKEND))
    cache.want(BACKEND, AN_IMAGE, volume_id=ID, size_gib=2, at=a_moment())
    world = await World().has_a_type()
    await world.run(moving.a_silver_type())

    async def keep(cmd: CreateVolume, work: UnitOfWork) -> None:
        await create_volume(cmd, work, cache=cache)

    await world.commands.run(keep, world.creation(image=AN_IMAGE))
    for name in ("place", "start", "made"):
        await world.run(await RIVALS[name](world, 7))
    return await world.has_a_volume(in_state="placed", number=0xC0, image=AN_IMAGE)


async def _awaiting() -> World:
    """Another volume is to keep its image."""
    world = await World().has_a_type()
    await world.run(moving.a_silver_type())
    await world.has_a_volume(in_state="placed", image=AN_IMAGE)
    wanted = WantCachedImage(
        id=ID, project_id=OTHER_PROJECT, size_gib=1, limits=Limits(), at=a_moment()
    )
    assert await world.run(wanted) == "waits"
    return world


_CLEARING = ("delete with snapshots", "clear the snapshot")
_ON_THE_WAY = ("place the move there", "start the move")
_CONNECTED = ("reserved", "connect", "start connecting", "connected")

SITUATIONS: Mapping[str, Callable[[], Awaitable[World]]] = {
    "keeping an image": _keeping_an_image,
    "awaiting": _awaiting,
    **{state: _after(state=state) for state in PATHS},
    "awaiting-transfer": _after("offered"),
    "frozen": _after("freeze its backend"),
    "extending": _after("extend"),
    "extension placed": _after("extend", "place the extension"),
    "growing": _after("extend", "place the extension", "start the extension"),
    "reverting": _with_a_snapshot("revert"),
    "rewriting": _with_a_snapshot("revert", "start the reversion"),
    "retyping": _after("retype on demand"),
    "retyping, placed here": _after("retype", "place the move here"),
    "retyping, at work": _after("retype on demand", *_ON_THE_WAY),
    "migrating": _after("migrate"),
    "migrating, at work": _after("migrate", *_ON_THE_WAY),
    "migrating, copied": _after("migrate", *_ON_THE_WAY, "copied"),
    "uploading": _after("upload"),
    "sending": _after("upload", "start the upload"),
    "attaching": _after("reserve"),
    "reserved": _after("reserved"),
    "connecting": _after("reserved", "connect", "start connecting"),
    "connected": _after(*_CONNECTED),
    "attached": _after(*_CONNECTED, "complete"),
    "detaching": _after(*_CONNECTED, "complete", "begin detaching"),
    "disconnecting": _after(*_CONNECTED, "complete", "detach", "start disconnecting"),
    "for a node": _after("connect a node"),
    "without its key": _after(state="requested", encrypted=True),
    "backing-up": _after("back up", "start the backup"),
    "with a backup": _after(*_BACKED_UP),
    "restoring-backup": _after(*_BACKED_UP, "restore", "start the restore"),
    "with a snapshot": _with_a_snapshot(),
    "with a snapshot, offered": _with_a_snapshot("offered"),
    "with a snapshot, retyping": _with_a_snapshot(
        "retype on demand", "place the move here", "start the move"
    ),
    "snapshot requested": _with_a_snapshot(state="requested"),
    "snapshot placed": _with_a_snapshot(state="placed"),
    "snapshot being made": _with_a_snapshot(state="making"),
    "snapshot being deleted": _with_a_snapshot(state="removing"),
    "emptying": _with_a_snapshot("delete with snapshots"),
    "emptying, at work": _with_a_snapshot(*_CLEARING),
    "emptying, all gone": _with_a_snapshot(*_CLEARING, "snapshot cleared"),
    "emptying, one stays": _with_a_snapshot(*_CLEARING, "snapshot not cleared"),
    "error_extending": _after(
        "extend", "place the extension", "start the extension", "not extended"
    ),
}

FEW: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(
        ("with a snapshot", "with a snapshot, offered", "with a snapshot, retyping"),
        ("delete", "force delete", "offer", "retype", "migrate", "freeze its backend"),
    ),
    **dict.fromkeys(
        ("snapshot requested", "snapshot placed", "snapshot being made", "snapshot being deleted"),
        ("delete", "force delete", "offer", "retype"),
    ),
    "awaiting": ("delete", "force delete", "reset to error"),
    **dict.fromkeys(
        ("reverting", "rewriting"),
        ("delete", "force delete", "extend", "clone", "reset to available", "reset to error"),
    ),
    **dict.fromkeys(
        ("emptying", "emptying, at work", "emptying, all gone", "emptying, one stays"),
        ("force delete", "reset to error", "name"),
    ),
}
"""Situations where only a few of USERS find anything else than elsewhere: they alone meet there."""

_OF_A_SNAPSHOT = ("delete the snapshot", "force delete the snapshot", "reset the snapshot")

DUE: Mapping[str, Sequence[str]] = {
    "available": ["snapshot", "delete with snapshots"],
    "attached": ["begin detaching", "detach", "exports lost", "snapshot"],
    "with a snapshot": [
        "revert",
        "snapshot",
        "delete with snapshots",
        "describe the snapshot",
        "set the snapshot's metadata",
        "offered without snapshots",
        *_OF_A_SNAPSHOT,
    ],
    "with a snapshot, offered": ["accept", "withdraw", "snapshot", *_OF_A_SNAPSHOT],
    "with a snapshot, retyping": ["moved", "not moved", "snapshot", *_OF_A_SNAPSHOT],
    "snapshot requested": [
        "place the snapshot",
        "place the snapshot nowhere",
        "give up the snapshot",
        "delete with snapshots",
        *_OF_A_SNAPSHOT,
    ],
    "snapshot placed": ["start the snapshot", "give up the snapshot", *_OF_A_SNAPSHOT],
    "snapshot being made": [
        "start the snapshot",
        "snapshot made",
        "snapshot not made",
        "give up the snapshot",
        "say the snapshot failed",
        *_OF_A_SNAPSHOT,
    ],
    "snapshot being deleted": [
        "clear the snapshot",
        "snapshot cleared",
        "snapshot busy",
        "snapshot not cleared",
        "give up the snapshot",
        "delete with snapshots",
        *_OF_A_SNAPSHOT,
    ],
    "emptying": ["clear the snapshot", "go on deleting", "give up", *_OF_A_SNAPSHOT],
    "emptying, at work": [
        "snapshot cleared",
        "snapshot not cleared",
        "go on deleting",
        "give up",
        "give up the snapshot",
    ],
    "emptying, all gone": ["go on deleting", "give up"],
    "emptying, one stays": ["go on deleting", "give up", *_OF_A_SNAPSHOT],
    "requested": ["place", "place nowhere", "give up"],
    "placed": ["start", "give up"],
    "provisioning": ["start", "made", "not made", "give up"],
    "downloading": ["start", "come", "made", "not made", "not come", "give up"],
    "cancelling": ["start", "made", "not made", "give up"],
    "deleting": ["remove", "give up"],
    "deleting, never made": ["remove"],
    "removing": ["remove", "gone", "busy", "not gone", "give up"],
    "removing, never made": ["remove", "gone", "busy", "not gone"],
    "awaiting-transfer": ["accept", "withdraw"],
    "extending": ["place the extension", "place the extension nowhere", "settle", "give up"],
    "extension placed": ["start the extension", "settle", "give up"],
    "growing": ["start the extension", "extended", "not extended", "settle", "give up"],
    "reverting": ["start the reversion", "snapshot", "give up", *_OF_A_SNAPSHOT],
    "rewriting": ["start the reversion", "reverted", "not reverted", "give up"],
    "retyping": ["place the move here", "place the move nowhere", "settle", "give up"],
    "retyping, placed here": ["start the move", "settle", "give up"],
    "retyping, at work": ["start the move", "copied", "moved", "not moved", "settle", "give up"],
    "migrating": ["place the move there", "place the move nowhere"],
    "migrating, at work": ["start the move", "copied", "moved", "not moved"],
    "migrating, copied": ["start the move", "moved", "not moved"],
    "uploading": ["start the upload", "no image", "give up"],
    "sending": ["start the upload", "uploaded", "not uploaded", "no image", "give up"],
    "attaching": ["unreserve", "reserved"],
    "reserved": ["connect", "complete", "detach"],
    "connecting": [
        "start connecting",
        "connected",
        "not connected",
        "nobody waits",
        "detach",
        "give up",
    ],
    "connected": ["connect", "complete", "detach"],
    "detaching": ["roll detaching", "detach"],
    "backing-up": [
        "start the backup",
        "captured",
        "backed up",
        "not backed up",
        "delete the backup",
        "reset the backup",
        "give the backup up",
    ],
    "with a backup": ["back up", "restore", "delete the backup"],
    "restoring-backup": [
        "start the restore",
        "restored",
        "not restored",
        "reset the backup",
        "give the backup up",
    ],
    "disconnecting": ["start disconnecting", "disconnected", "not disconnected", "give up"],
    "for a node": ["disconnect a node"],
    "awaiting": ["wait for an image no longer", "give up"],
    "keeping an image": ["keep its image no longer", "copy its image"],
    "without its key": ["key made", "key not made", "give up"],
}
"""What may come next in a situation, besides what can always be asked for."""
