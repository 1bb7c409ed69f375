"""Cinder's defects that concern backups and images: what is refused, and what races."""

import pytest

from adapters.event_store.memory import MemoryEventStore
from domain.errors import LapilliError, OverQuota
from services.api.faults import CODES
from tests.defects.test_races import EVERY_STORE
from tests.services.commands.rivals import RIVALS, SITUATIONS
from tests.services.commands.test_rivals import Pair
from tests.services.commands.world import LIMITS, World


@EVERY_STORE
@pytest.mark.parametrize(
    ("situation", "first", "second"),
    [
        ("available", "back up", "back up"),
        ("available", "back up", "upload"),
        ("with a backup", "restore", "back up"),
        ("with a backup", "restore", "delete the backup"),
    ],
)
async def test_defect_18_of_two_that_race_for_a_volume_or_a_backup_one_passes(
    situation, first, second, kind, sound
):
    pair = await Pair.of(await SITUATIONS[situation](), first, second)
    one_passes = [sorted(each.won) == [False, True] for each in await pair.at_once(kind=kind)]
    assert all(one_passes) is sound


@pytest.mark.parametrize(
    ("situation", "asked"),
    [
        ("attached", "back up"),
        ("backing-up", "back up"),
        ("growing", "back up"),
        ("sending", "back up"),
        ("restoring-backup", "back up"),
        ("restoring-backup", "restore"),
        ("attached", "upload"),
        ("backing-up", "upload"),
        ("restoring-backup", "upload"),
    ],
)
async def test_defect_15_a_backup_a_restore_or_an_upload_that_is_refused_changes_nothing(
    situation, asked
):
    world = await SITUATIONS[situation]()
    before = await world.store.last_position()
    with pytest.raises(LapilliError) as refusal:
        await world.run(await RIVALS[asked](world, 0))
    assert CODES[refusal.type] == 400
    assert await world.store.last_position() == before


async def test_defect_15_a_backup_beyond_quota_leaves_the_volume_available():
    store = MemoryEventStore(default_limits={**LIMITS, "backups": 0})
    world = await (await World(store).has_a_type()).has_a_volume(in_state="available")
    before = await world.volume()
    with pytest.raises(OverQuota):
        await world.run(await RIVALS["back up"](world, 0))
    assert await world.volume() == before
    await world.assert_sound()
