"""What is known of the one thing that can be under way on a volume, while it is."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from domain.image import UploadedImage

MigrationPolicy = Literal["never", "on-demand"]
"""Whether a volume whose type changes may go elsewhere for that."""


class Extension(msgspec.Struct, frozen=True, tag=True):
    """The size wanted (GiB), and the quota reservation that pays for the difference."""

    new_size_gib: int
    reservation_id: str

    @property
    def paid_by(self) -> Sequence[str]:
        """The reservations of what it takes, here and below."""
        return [self.reservation_id]


class Offer(msgspec.Struct, frozen=True, tag=True):
    """The transfer by which the volume is offered to another project; nothing is paid for it."""

    transfer_id: str

    @property
    def paid_by(self) -> Sequence[str]:
        return []


class Retype(msgspec.Struct, frozen=True, tag=True):
    """The type wanted, the move that makes it so, and the reservations of the type's quota: its
    own, and by each of its snapshots theirs."""

    volume_type_id: str
    move_id: str
    reservation_id: str
    snapshots: dict[str, str] = {}

    @property
    def paid_by(self) -> Sequence[str]:
        return [self.reservation_id, *self.snapshots.values()]


class Migration(msgspec.Struct, frozen=True, tag=True):
    """The move that takes it elsewhere; nobody pays for that."""

    move_id: str

    @property
    def paid_by(self) -> Sequence[str]:
        return []


class BackingUp(msgspec.Struct, frozen=True, tag=True):
    """The backup that is being made of it, and is paid for by itself."""

    backup_id: str

    @property
    def paid_by(self) -> Sequence[str]:
        return []


class Restoring(msgspec.Struct, frozen=True, tag=True):
    """The backup that is being put into it."""

    backup_id: str

    @property
    def paid_by(self) -> Sequence[str]:
        return []


class Upload(msgspec.Struct, frozen=True, tag=True):
    """The image that it is to become; nobody pays for that here."""

    image_id: str
    image: UploadedImage
    awaits_key: bool = False
    """Whether it cannot be sent until it has a key of its own."""

    @property
    def paid_by(self) -> Sequence[str]:
        return []


class Reversion(msgspec.Struct, frozen=True, tag=True):
    """The snapshot that it is taken back to; nobody pays for that."""

    snapshot_id: str

    @property
    def paid_by(self) -> Sequence[str]:
        return []


UnderWay = Extension | Offer | Retype | Migration | BackingUp | Restoring | Reversion | Upload
