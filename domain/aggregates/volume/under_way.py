"""What is known of the one thing that can be under way on a volume, while it is."""

import msgspec


class Extension(msgspec.Struct, frozen=True, tag=True):
    """The size wanted (GiB), and the quota reservation that pays for the difference."""

    new_size_gib: int
    reservation_id: str


class Offer(msgspec.Struct, frozen=True, tag=True):
    """The transfer by which the volume is offered to another project; nothing is paid for it."""

    transfer_id: str
    reservation_id: str | None = None


UnderWay = Extension | Offer
