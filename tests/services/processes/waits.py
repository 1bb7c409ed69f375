"""Every wait there is: who never comes back, and what becomes of the volume then."""

from collections.abc import Sequence

import msgspec

from domain.deadlines import WAITS
from tests.services.processes.lateness import ALLOWED, BIG, BIG_POOL, NEXT_POOL, workers_of


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """In which `state` of which lifecycle it waits, who never comes back, what is given up then
    one after the other, where it ends, and why."""

    waits: tuple[str, str]
    absent: Sequence[str] = BIG
    given_up: Sequence[str]
    ends: tuple[str, str | None]
    missed: str
    back: tuple[str, str | None, int] = ("available", BIG_POOL, 2)
    """State, place and size when all come back in time."""

    @property
    def wait_s(self) -> float:
        """How long that may last."""
        lifecycle, state = self.waits
        return ALLOWED[WAITS[lifecycle][state].deadline]


_LARGER = ("available", BIG_POOL, 5)
_MOVED = ("available", NEXT_POOL, 2)
_GONE = ("deleted", BIG_POOL, 2)

CASES = {
    "requested": Case(
        waits=("volume", "requested"),
        absent=["placement"],
        given_up=["requested"],
        ends=("error", None),
        missed="nobody chose a backend",
    ),
    "placed": Case(
        waits=("volume", "placed"),
        given_up=["placed"],
        ends=("available", NEXT_POOL),
        missed="did not begin to make it",
    ),
    "provisioning": Case(
        waits=("volume", "provisioning"),
        given_up=["provisioning"],
        ends=("available", NEXT_POOL),
        missed="whether it made it",
    ),
    "downloading": Case(
        waits=("volume", "downloading"),
        given_up=["downloading"],
        ends=("available", NEXT_POOL),
        missed="whether its image had come",
    ),
    "cancelling": Case(
        waits=("volume", "cancelling"),
        given_up=["cancelling", "deleting"],
        ends=("error_deleting", BIG_POOL),
        missed="stopped making it",
        back=_GONE,
    ),
    "deleting": Case(
        waits=("volume", "deleting"),
        given_up=["deleting"],
        ends=("error_deleting", BIG_POOL),
        missed="did not begin to delete it",
        back=_GONE,
    ),
    "removing": Case(
        waits=("volume", "removing"),
        given_up=["removing"],
        ends=("error_deleting", BIG_POOL),
        missed="whether it deleted it",
        back=_GONE,
    ),
    "extending": Case(
        waits=("volume_operation", "extending"),
        absent=["extension-placement"],
        given_up=["extending"],
        ends=("available", BIG_POOL),
        missed="whether its pool has the room",
        back=_LARGER,
    ),
    "extension_placed": Case(
        waits=("volume_operation", "extension_placed"),
        given_up=["extension_placed"],
        ends=("available", BIG_POOL),
        missed="did not begin to extend it",
        back=_LARGER,
    ),
    "growing": Case(
        waits=("volume_operation", "growing"),
        given_up=["growing"],
        ends=("error_extending", BIG_POOL),
        missed="whether it extended it",
        back=_LARGER,
    ),
    "uploading": Case(
        waits=("volume_operation", "uploading"),
        given_up=["uploading"],
        ends=("available", BIG_POOL),
        missed="did not begin to make an image of it",
    ),
    "sending": Case(
        waits=("volume_operation", "sending"),
        given_up=["sending"],
        ends=("available", BIG_POOL),
        missed="whether its image is complete",
    ),
    "connection_requested": Case(
        waits=("attachment", "connection_requested"),
        given_up=["connection_requested", "removal_requested"],
        ends=("available", BIG_POOL),
        missed="did not begin to connect it",
    ),
    "connecting": Case(
        waits=("attachment", "connecting"),
        given_up=["connecting", "removal_requested"],
        ends=("available", BIG_POOL),
        missed="whether it connected it",
    ),
    "removal_requested": Case(
        waits=("attachment", "removal_requested"),
        given_up=["removal_requested"],
        ends=("available", BIG_POOL),
        missed="did not begin to disconnect it",
    ),
    "disconnecting": Case(
        waits=("attachment", "disconnecting"),
        given_up=["disconnecting"],
        ends=("available", BIG_POOL),
        missed="whether it disconnected it",
    ),
    "move requested": Case(
        waits=("move", "requested"),
        absent=["placement"],
        given_up=["migrating"],
        ends=("available", BIG_POOL),
        missed="nobody chose a pool for it",
        back=_MOVED,
    ),
    "move placed": Case(
        waits=("move", "placed"),
        absent=workers_of("middle"),
        given_up=["migrating"],
        ends=("available", BIG_POOL),
        missed="did not begin to take it",
        back=_MOVED,
    ),
    "migrating": Case(
        waits=("volume_operation", "migrating"),
        absent=workers_of("middle"),
        given_up=["migrating"],
        ends=("available", BIG_POOL),
        missed="whether it took it",
        back=_MOVED,
    ),
    "maintenance": Case(
        waits=("volume_operation", "maintenance"),
        absent=workers_of("middle"),
        given_up=["maintenance"],
        ends=("available", BIG_POOL),
        missed="whether it took it",
        back=_MOVED,
    ),
    "retyping": Case(
        waits=("volume_operation", "retyping"),
        given_up=["retyping"],
        ends=("available", BIG_POOL),
        missed="whether it is of the new type",
    ),
}
"""By the names of `PATHS`."""
