"""The calls that every backend driver answers.

Source: Cinder's volume driver interface (cinder/interface/volume_driver.py).
"""

from typing import Protocol
from uuid import UUID

from adapters.drivers.content import Blocks
from adapters.drivers.contract.connections import AttachMode, Connected, Connection, Connector
from adapters.drivers.contract.objects import (
    Check,
    OpenFile,
    Provisioned,
    SnapshotSpec,
    Source,
    TypeChange,
    VolumeSpec,
)
from adapters.drivers.contract.reports import BackendStats


class Driver(Protocol):
    """A storage backend.

    Every call converges: repeated with the same id after a crash at any point, it completes or
    cleanly restarts what was begun. Calls about one object are serialised by the driver; calls
    about different objects are not. Every call but `close` raises DriverFailure, and no other
    exception for anything that the backend does.
    """

    async def create_volume(self, spec: VolumeSpec) -> Provisioned:
        """Make the volume, reading as zeros; it appears on the backend whole or not at all.

        A complete volume of that size is success. One of another size is refused and untouched.
        """

    async def delete_volume(self, spec: VolumeSpec) -> None:
        """Remove the volume and everything a broken-off call left of it.

        Nothing to remove is success. Raises VolumeBusy while it is connected or otherwise in use.
        """

    async def extend_volume(self, spec: VolumeSpec, new_size_gib: int) -> None:
        """Grow the volume, new space reading as zeros; the size it has is success, less refused.

        Who is connected sees the new size, or the call is refused and changes nothing: pools on
        which that is so report `online_extend_support` as false.
        """

    async def connect_volume(
        self, spec: VolumeSpec, attachment_id: UUID, connector: Connector, mode: AttachMode
    ) -> Connection:
        """Let the connector's node reach the volume until `disconnect_volume`.

        The same attachment again has the same connection, and one that broke is mended; in
        another mode the former one ends, at the same address. Any number of attachments of one
        volume see one content. Connections outlive a driver that dies, but not one that is
        closed: they are disturbed then, not forgotten, and `check` brings them back.
        Raises InvalidConnector.
        """

    async def disconnect_volume(self, spec: VolumeSpec, attachment_id: UUID) -> None:
        """End the attachment's connection, whoever still uses it; nothing connected is success."""

    async def connections(self, pool: str | None = None) -> set[Connected]:
        """All that was connected and not disconnected, in one pool or in all; for audit."""

    async def retype_volume(self, spec: VolumeSpec, change: TypeChange) -> None:
        """Make the volume what its new type says, where it is and with what it holds.

        Raises DriverFailure, and changes nothing, if that cannot be done here.
        """

    async def create_snapshot(self, spec: SnapshotSpec) -> Provisioned:
        """Keep what the volume `spec.volume_id` holds now; it appears whole or not at all.

        The copy is of one instant between the call and its answer. Where the volume is connected
        it is what a crash of its clients at that instant would have left: all that was answered
        for before the call, nothing written after, every single write there or not. Clients may
        have to wait meanwhile. A complete snapshot of that size is success and left as it is; a
        volume that is not there, or smaller than `spec.size_gib`, is refused.
        """

    async def delete_snapshot(self, spec: SnapshotSpec) -> None:
        """Remove the snapshot and everything a broken-off call left of it.

        Nothing to remove is success. Its volume, and what was made from it, stay as they are.
        Raises VolumeBusy while it is in use.
        """

    async def clone_volume(self, spec: VolumeSpec, source: Source) -> Provisioned | None:
        """Make the volume with what `source`, in any pool of this backend, holds; what is beyond
        `source.size_gib` reads as zeros. It appears whole or not at all.

        None, and nothing done, where this backend cannot copy from one of these pools to the
        other: then `write_volume` can. Of a volume that is connected it takes what
        `create_snapshot` would. A complete volume of that size is success and left as it is; a
        source that is not there, or does not fit into `spec.size_gib`, is refused.
        """

    async def revert_volume(self, spec: VolumeSpec, to: SnapshotSpec) -> None:
        """Make the volume hold what its snapshot does, all of it at once: whatever happens, it
        holds either what it held or what it is to hold.

        A snapshot of another size is refused, and so is what is not there. Raises VolumeBusy
        while the volume is connected.
        """

    def read(self, source: Source) -> Blocks:
        """What the first `source.size_gib` of the volume or snapshot hold, provided that nobody
        writes to it meanwhile."""

    async def write_volume(
        self, spec: VolumeSpec, content: Blocks, *, resume_at: int = 0
    ) -> Provisioned:
        """Make the volume with that content; it appears on the backend whole or not at all.

        A complete volume of that size is success and left as it is: who has to know whether it
        holds the same compares fingerprints. What `content` raises is raised.

        Where `content`, the call or the process breaks off, what was written stays, hidden, until
        it is gone on with, written or made anew, or deleted; `objects` names it like the volume.
        To go on: `resume_at` is at most what `written` says, a multiple of BLOCK_BYTES, and
        `content` begins there. What is there from `resume_at` on is forgotten. When the backend
        itself fails, nothing stays.
        """

    async def written(self, spec: VolumeSpec) -> int:
        """How many bytes of the volume, from its start, a broken-off `write_volume` has brought to
        last: a multiple of BLOCK_BYTES. 0 if there is no such volume, or a complete one.

        Of a write that is still going on it says how far that has come at least.
        """

    def read_written(self, spec: VolumeSpec) -> Blocks:
        """What is in the bytes that `written` counts; nothing where it is 0."""

    async def copy_file(
        self, spec: VolumeSpec, file: OpenFile, *, first_bytes: int, check: Check
    ) -> Provisioned | None:
        """Make the volume with the first bytes of a file of this machine, zeros beyond them, if
        what it is going to hold passes the check; it appears whole or not at all, and broken off
        it has to begin anew. What `check` raises is raised.

        None, and nothing done, where this backend takes no files: then `write_volume` can. A
        complete volume of that size is success, left as it is and not checked. A file that does
        not fit into `spec.size_gib` is refused.
        """

    async def overwrite_volume(self, spec: VolumeSpec, content: Blocks) -> None:
        """Make the volume hold that content and nothing else, all of it at once, as
        `revert_volume` does. Broken off, it has to begin anew. What `content` raises is raised.

        A volume that is not there, or of another size, is refused. Raises VolumeBusy while the
        volume is connected.
        """

    async def adopt_volume(self, spec: VolumeSpec, pool: str) -> Provisioned | None:
        """Let the volume, which is in `pool` of this backend, be in the pool of `spec` as well,
        without copying what it holds; None where that cannot be done.

        Nobody writes to it until one of the two is deleted.
        """

    async def stats(self) -> BackendStats:
        """Capacities and capabilities now."""

    async def objects(self, pool: str | None = None) -> set[str]:
        """The names of all objects held, in one pool or in all; for audit to find orphans.

        One name may exist in two pools; audit asks pool by pool where that matters.
        """

    async def check(self) -> None:
        """Make ready: clear what dead processes left, bring back connections that were lost.

        Connections of volumes that are gone end. Raises DriverFailure if the backend is unusable.
        """

    async def close(self) -> None:
        """Finish running calls and let go of everything held. The volumes stay."""
