"""Backups by processes that know of them and have not heard of what their volumes did since."""

from services.commands.backup import CreateBackup
from services.commands.backup_work import RecordCaptured, StartBackup
from tests.services.commands.world import World
from tests.support.builders import PROJECT, USER, a_moment, an_id

BACKUP = an_id(0xB0)


async def test_a_volume_is_let_go_by_a_worker_that_had_not_heard_that_it_was_held():
    worker = await (await World().has_a_type()).has_a_volume(in_state="available")
    asked = CreateBackup(
        id=BACKUP,
        volume_id=an_id(1),
        project_id=PROJECT,
        of_project=PROJECT,
        user_id=USER,
        name=None,
        description=None,
        at=a_moment(),
    )
    await worker.another_process().run(asked)
    await worker.run(StartBackup(id=BACKUP, worker="w", at=a_moment()))
    await worker.run(RecordCaptured(id=BACKUP, attempt=1, at=a_moment()))
    assert (await worker.volume()).status == "available"
