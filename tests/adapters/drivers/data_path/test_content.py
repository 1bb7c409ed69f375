"""What real NBD clients write, read and see of a volume."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from adapters.drivers.contract import VolumeSpec
from adapters.drivers.file import GIB, FileDriver
from tests.adapters.drivers.connection_contract import NODE
from tests.adapters.drivers.contract import a_volume
from tests.adapters.drivers.data_path.exports import (
    Opened,
    clients,
)
from tests.adapters.drivers.nbd_clients import (
    Refused,
    io,
    session,
    size_bytes,
)


def occupied(volume: Path) -> int:
    return volume.stat().st_blocks


@clients
class TestContent:
    async def test_what_is_written_is_read_after_detaching_and_attaching_again(
        self, served: Opened
    ):
        driver, spec = served(), a_volume(size_gib=1)
        await driver.check()
        await driver.create_volume(spec)
        for number in range(3):
            attachment_id = uuid4()
            uri = (await driver.connect_volume(spec, attachment_id, NODE, "rw")).data["uri"]
            for earlier in range(number):
                await io(uri, f"read -P {earlier + 1} {earlier}M 64k")
            await io(uri, f"write -P {number + 1} {number}M 64k", "flush")
            await driver.disconnect_volume(spec, attachment_id)
            with pytest.raises(Refused):
                await io(uri, "read 0 512")

    async def test_read_only_reads_and_refuses_writes(self, served: Opened):
        driver, spec = served(), a_volume(size_gib=1)
        await driver.check()
        await driver.create_volume(spec)
        writing = await driver.connect_volume(spec, uuid4(), NODE, "rw")
        reading = await driver.connect_volume(spec, uuid4(), NODE, "ro")
        await io(writing.data["uri"], "write -P 7 0 64k", "flush")
        await io(reading.data["uri"], "read -P 7 0 64k", read_only=True)
        with pytest.raises(Refused):
            await io(reading.data["uri"], "write -P 8 0 64k")
        await io(writing.data["uri"], "read -P 7 0 64k")

    async def test_an_attachment_that_becomes_read_only_refuses_writes(
        self, driver: FileDriver, spec: VolumeSpec, attachment_id: UUID
    ):
        uri = (await driver.connect_volume(spec, attachment_id, NODE, "rw")).data["uri"]
        await io(uri, "write -P 7 0 64k")
        await driver.connect_volume(spec, attachment_id, NODE, "ro")
        with pytest.raises(Refused):
            await io(uri, "write -P 8 0 64k")

    async def test_two_writers_of_one_volume_see_one_content(self, served: Opened):
        driver, spec = served(), a_volume(size_gib=1)
        await driver.check()
        await driver.create_volume(spec)
        uris = [
            (await driver.connect_volume(spec, uuid4(), NODE, "rw")).data["uri"] for _ in range(2)
        ]
        assert uris[0] != uris[1]
        async with session(uris[0]) as left, session(uris[1]) as right:
            for number in range(1, 9, 2):
                await left.does(f"write -P {number} {number}M 64k")
                await right.does(f"read -P {number} {number}M 64k")
                await right.does(f"write -P {number + 1} {number}M 64k")
                await left.does(f"read -P {number + 1} {number}M 64k")

    async def test_growth_is_seen_by_whoever_connects_and_disturbs_nobody(
        self, driver: FileDriver, spec: VolumeSpec, attachment_id: UUID
    ):
        """NBD tells a client the size once, when it connects; so a client that is connected has
        to connect again to see more, at the address that it has."""
        uri = (await driver.connect_volume(spec, attachment_id, NODE, "rw")).data["uri"]
        assert await size_bytes(uri) == 1 * GIB
        async with session(uri) as before:
            await driver.extend_volume(spec, 2)
            assert await size_bytes(uri) == 2 * GIB
            await before.does("write -P 7 0 64k")
        await io(uri, "read -P 7 0 64k", "write -P 9 1G 64k", "read -P 9 1G 64k")
        await io(uri, "read -P 0 1536M 64k")

    async def test_blocks_that_are_given_back_are_free_again(
        self, driver: FileDriver, spec: VolumeSpec, attachment_id: UUID, volume: Path
    ):
        uri = (await driver.connect_volume(spec, attachment_id, NODE, "rw")).data["uri"]
        await io(uri, "write -P 7 0 4M", "flush")
        before = occupied(volume)
        await io(uri, "discard 0 4M", "flush")
        assert occupied(volume) < before
        await io(uri, "read -P 0 0 4M")
