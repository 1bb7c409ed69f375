"""How Cinder would do it, as little of it as shows a defect: what tests of ours must fail on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from adapters.event_store.memory import MemoryEventStore
from domain.event import Event, Recorded


class LastWriterWins(MemoryEventStore):
    """Saves what was decided, whatever has happened since that was read (plain saves of rows)."""

    async def append(
        self, events: Sequence[Recorded[Event]], *, unchanged: Mapping[UUID, int] = {}
    ) -> int:
        heads: Counter[UUID] = Counter()
        for id in {recorded.aggregate_id for recorded in events}:
            heads[id] = len(await self.events(id))
        saved = []
        for recorded in events:
            heads[recorded.aggregate_id] += 1
            saved.append(msgspec.structs.replace(recorded, version=heads[recorded.aggregate_id]))
        return await super().append(saved)
