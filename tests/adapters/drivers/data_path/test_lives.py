"""What kills exports and those who drive them, and what is left then."""

import asyncio
from asyncio.subprocess import PIPE
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from adapters.drivers import nbd
from adapters.drivers.contract import Connected, Connection, VolumeSpec
from adapters.drivers.file import FileDriver
from tests.adapters.drivers.connection_contract import NODE
from tests.adapters.drivers.contract import POOLS, a_volume
from tests.adapters.drivers.data_path.exports import (
    Opened,
    clients,
    exporting_below,
    killed,
    left,
)
from tests.adapters.drivers.nbd_clients import (
    Refused,
    exporting,
    io,
    session,
)
from tests.adapters.drivers.test_file_driver import killed_at_every_step, other_process
from tests.support.kills import said


def lose(volume: Path) -> None:
    volume.unlink()


@clients
class TestDeath:
    async def test_a_killed_driver_leaves_the_data_path_to_the_next_one(
        self, driver: FileDriver, spec: VolumeSpec, volume: Path, root: Path
    ):
        await driver.close()
        async with other_process("connect", root, spec.id) as process:
            uri = await said(process)
            async with session(uri) as client:
                process.kill()
                await process.wait()
                await client.does("write -P 7 0 64k")

                [serving] = exporting(volume)
                later = FileDriver(root, POOLS)
                await later.check()
                [(_, attachment_id)] = await later.connections()
                connection = await later.connect_volume(spec, attachment_id, NODE, "rw")
                assert connection.data["uri"] == uri
                assert exporting(volume) == [serving]
                await client.does("read -P 7 0 64k")
        await later.close()
        assert exporting(volume) == []

    async def test_a_driver_that_closes_leaves_what_others_still_drive(
        self, driver: FileDriver, opened: Opened, spec: VolumeSpec, volume: Path
    ):
        other = opened()
        mine, theirs = uuid4(), uuid4()
        uri = (await driver.connect_volume(spec, mine, NODE, "rw")).data["uri"]
        await other.connect_volume(spec, theirs, NODE, "rw")
        await driver.close()
        await io(uri, "read 0 512")
        assert len(exporting(volume)) == 2
        await other.close()
        assert exporting(volume) == []

    async def test_who_only_looks_stops_nothing(
        self, driver: FileDriver, spec: VolumeSpec, root: Path, volume: Path
    ):
        await driver.close()
        async with other_process("connect", root, spec.id) as process:
            uri = await said(process)
        audit = FileDriver(root, POOLS)
        assert len(await audit.connections()) == 1
        await audit.stats()
        await audit.close()
        await io(uri, "read 0 512")
        [serving] = exporting(volume)
        await killed(serving)

    async def test_a_dead_export_is_started_again_where_it_was(self, served: Opened, root: Path):
        driver, spec, attachment_id = served(), a_volume(size_gib=1), uuid4()
        await driver.check()
        await driver.create_volume(spec)
        connection = await driver.connect_volume(spec, attachment_id, NODE, "rw")
        await io(connection.data["uri"], "write -P 7 0 64k")
        for mend in (driver.connect_volume(spec, attachment_id, NODE, "rw"), driver.check()):
            [serving] = exporting_below(root)
            await killed(serving)
            with pytest.raises(Refused):
                await io(connection.data["uri"], "read 0 512")
            await mend
            await io(connection.data["uri"], "read -P 7 0 64k")

    async def test_nothing_is_left_of_a_connection_that_ended(
        self, driver: FileDriver, spec: VolumeSpec, root: Path, volume: Path
    ):
        first, second = uuid4(), uuid4()
        kept = await driver.connect_volume(spec, first, NODE, "rw")
        before = left(root)
        await driver.connect_volume(spec, second, NODE, "rw")
        await driver.disconnect_volume(spec, second)
        assert left(root) == before
        assert len(exporting(volume)) == 1
        async with session(kept.data["uri"]) as client:  # a client that stays does not hold it up
            await driver.disconnect_volume(spec, first)
            with pytest.raises((Refused, ConnectionError)):
                await client.does("read 0 512")
        assert left(root) == set()
        assert exporting(volume) == []

    async def test_a_number_that_became_another_processs_is_not_killed(
        self, driver: FileDriver, spec: VolumeSpec, attachment_id: UUID, root: Path, volume: Path
    ):
        await driver.connect_volume(spec, attachment_id, NODE, "rw")
        [serving] = exporting(volume)
        await killed(serving)
        stranger = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        try:
            (root / ".nbd" / f"{attachment_id}.pid").write_text(f"{stranger.pid}\n")
            await driver.connect_volume(spec, attachment_id, NODE, "rw")
            assert len(exporting(volume)) == 1
            await driver.disconnect_volume(spec, attachment_id)
            assert (await stranger.communicate(b"alive"))[0] == b"alive"
        finally:
            if stranger.returncode is None:
                stranger.kill()
                await stranger.wait()

    async def test_check_ends_connections_of_volumes_that_are_gone(
        self, driver: FileDriver, spec: VolumeSpec, attachment_id: UUID, root: Path, volume: Path
    ):
        await driver.connect_volume(spec, attachment_id, NODE, "rw")
        lose(volume)
        await driver.check()
        assert await driver.connections() == set()
        assert exporting(volume) == []
        assert left(root) == set()

    async def test_a_kill_at_any_step_of_connecting_or_disconnecting_is_mended_by_the_next_call(
        self, root: Path, opened: Opened
    ):
        attachment_id = UUID(int=8)
        for operation in ("connect", "disconnect"):
            for directory in await killed_at_every_step(operation, root / operation):
                spec = a_volume(id=UUID(int=7))
                volume = directory / "gold" / spec.object_name
                driver = opened(directory)
                await driver.check()
                assert await driver.connections() <= {Connected(spec.object_name, attachment_id)}
                if operation == "connect":
                    made = await driver.connect_volume(spec, attachment_id, NODE, "rw")
                    await _writes(made)
                    assert len(exporting(volume)) == 1
                await driver.disconnect_volume(spec, attachment_id)
                assert exporting(volume) == []
                assert left(directory) == set()
                await driver.delete_volume(spec)
                await driver.close()


async def _writes(connection: Connection) -> None:
    """As a client would, but quicker than starting one: an NBD server answers there."""
    address = nbd.Address(path=str(connection.data["socket"]))
    assert await asyncio.to_thread(address.greets)
