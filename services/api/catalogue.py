"""The volume types, at hand: requests about volumes need their names, and they seldom change."""

from collections.abc import Callable
from uuid import UUID

from domain.errors import NotFound
from projections import volume_types
from projections.views import Views
from projections.volume_types import VolumeTypeQuery, VolumeTypeRow

REMEMBERED_S = 5.0
"""How old what is known may be. What is not known is always looked up."""


class Catalogue:
    """Volume types by id and by name, the oldest first where names are shared."""

    def __init__(self, views: Views, *, monotonic: Callable[[], float]) -> None:
        self._views = views
        self._monotonic = monotonic
        self._by_id: dict[UUID, VolumeTypeRow] = {}
        self._by_name: dict[str, VolumeTypeRow] = {}
        self._stale_at = 0.0

    async def all(self) -> list[VolumeTypeRow]:
        """Every type, of all projects, by name."""
        if self._monotonic() >= self._stale_at:
            await self._look()
        return sorted(self._by_id.values(), key=lambda row: row.name)

    async def names(self, ids: set[UUID]) -> dict[UUID, str]:
        """The names of types; one that is gone has none."""
        if self._monotonic() >= self._stale_at or not ids <= self._by_id.keys():
            await self._look()
        return {id: self._by_id[id].name for id in ids if id in self._by_id}

    async def find(self, wanted: str, *, private: bool) -> VolumeTypeRow:
        """The type of that id or name. Raises NotFound, also for a private one unless `private`."""
        found = self._find(wanted) if self._monotonic() < self._stale_at else None
        if found is None:
            await self._look()
            found = self._find(wanted)
        if found is None or not (found.is_public or private):
            raise NotFound(kind="volume_type", id=wanted[:255])
        return found

    def _find(self, wanted: str) -> VolumeTypeRow | None:
        try:
            return self._by_id.get(UUID(wanted)) or self._by_name.get(wanted)
        except ValueError:
            return self._by_name.get(wanted)

    async def _look(self) -> None:
        rows = await self._views.read(
            volume_types.page, VolumeTypeQuery(sort=(("created_at", "desc"),))
        )
        self._by_id = {row.id: row for row in rows}
        self._by_name = {row.name: row for row in rows}
        self._stale_at = self._monotonic() + REMEMBERED_S
