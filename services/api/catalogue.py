"""The volume types, at hand: requests about volumes need their names, and they seldom change.

What is remembered may be old where another API process changed it, which is why whatever is decided
by it is decided again when it is stored: commands hold types to be as they were read.
"""

from collections.abc import Callable
from uuid import UUID

from domain.errors import NotFound
from projections import default_types, volume_types
from projections.views import Views
from projections.volume_types import VolumeTypeQuery, VolumeTypeRow

REMEMBERED_S = 5.0
"""How old what is known may be. What is not known is always looked up."""


class Catalogue:
    """Volume types by id and by name, and which is whose default."""

    def __init__(self, views: Views, *, monotonic: Callable[[], float]) -> None:
        self._views = views
        self._monotonic = monotonic
        self._by_id: dict[UUID, VolumeTypeRow] = {}
        self._by_name: dict[str, VolumeTypeRow] = {}
        self._defaults: dict[str, UUID] = {}
        self._stale_at = 0.0
        self._forgotten = 0

    def forget(self) -> None:
        """To be called when a type or a default has changed: what is asked next is looked up."""
        self._stale_at = 0.0
        self._forgotten += 1

    async def all(self) -> list[VolumeTypeRow]:
        """Every type, of all projects, by name."""
        await self._look_if_stale()
        return sorted(self._by_id.values(), key=lambda row: row.name)

    async def names(self, ids: set[UUID]) -> dict[UUID, str]:
        """The names of types; one that is gone has none."""
        if self._monotonic() >= self._stale_at or not ids <= self._by_id.keys():
            await self._look()
        return {id: self._by_id[id].name for id in ids if id in self._by_id}

    async def find(self, wanted: str, *, project_id: str | None) -> VolumeTypeRow:
        """The type of that id or name, as far as the project sees it; None sees all.

        Raises NotFound.
        """
        found = self._find(wanted) if self._monotonic() < self._stale_at else None
        if found is None or not found.visible_to(project_id):
            await self._look()
            found = self._find(wanted)
        if found is None or not found.visible_to(project_id):
            raise NotFound(kind="volume_type", id=wanted[:255])
        return found

    async def default(self, project_id: str, *, otherwise: str) -> str:
        """The id of the project's own default type; without one, the name of everybody's."""
        await self._look_if_stale()
        own = self._defaults.get(project_id)
        return otherwise if own is None else str(own)

    def _find(self, wanted: str) -> VolumeTypeRow | None:
        try:
            return self._by_id.get(UUID(wanted)) or self._by_name.get(wanted)
        except ValueError:
            return self._by_name.get(wanted)

    async def _look_if_stale(self) -> None:
        if self._monotonic() >= self._stale_at:
            await self._look()

    async def _look(self) -> None:
        forgotten = self._forgotten
        rows = await self._views.read(volume_types.page, VolumeTypeQuery())
        defaults = await self._views.read(default_types.every)
        self._by_id = {row.id: row for row in rows}
        self._by_name = {row.name: row for row in rows}
        self._defaults = {row.project_id: row.volume_type_id for row in defaults}
        if forgotten == self._forgotten:  # nothing changed while this was read
            self._stale_at = self._monotonic() + REMEMBERED_S
