"""Where exports are reached, and by whom."""

import socket
import stat
import tempfile
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from adapters.drivers.contract import DriverFailure, VolumeSpec
from adapters.drivers.file import FileDriver
from tests.adapters.drivers.connection_contract import NODE
from tests.adapters.drivers.contract import a_volume
from tests.adapters.drivers.data_path.exports import (
    Opened,
    clients,
    left,
)
from tests.adapters.drivers.nbd_clients import (
    Refused,
    an_address,
    io,
)


@clients
class TestWhoMayConnect:
    async def test_only_the_owner_comes_near_the_sockets(
        self, driver: FileDriver, spec: VolumeSpec, attachment_id: UUID
    ):
        connection = await driver.connect_volume(spec, attachment_id, NODE, "rw")
        directory = Path(str(connection.data["socket"])).parent
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700

    async def test_a_directory_that_others_may_enter_is_refused(
        self, driver: FileDriver, spec: VolumeSpec, root: Path
    ):
        (root / ".nbd").mkdir(mode=0o700, exist_ok=True)
        (root / ".nbd").chmod(0o755)
        with pytest.raises(DriverFailure, match="only its owner"):
            await driver.connect_volume(spec, uuid4(), NODE, "rw")

    async def test_a_client_of_another_attachment_does_not_get_in_by_its_old_port(
        self, served: Opened
    ):
        driver, spec = served(), a_volume(size_gib=1)
        await driver.check()
        await driver.create_volume(spec)
        connection = await driver.connect_volume(spec, uuid4(), NODE, "rw")
        stale = str(connection.data["uri"]).replace(str(connection.data["export"]), str(uuid4()))
        with pytest.raises(Refused):
            await io(stale, "read 0 512")
        with pytest.raises(Refused):
            await io(str(connection.data["uri"]).replace(str(connection.data["export"]), ""))
        await io(connection.data["uri"], "read 0 512")

    async def test_names_too_long_for_sockets_are_beside_temporary_files_and_go_in_the_end(
        self, opened: Opened, root: Path
    ):
        directory = root / ("long" * 25)
        directory.mkdir()
        driver, spec = opened(directory), a_volume(size_gib=1)
        await driver.check()
        await driver.create_volume(spec)
        connection = await driver.connect_volume(spec, uuid4(), NODE, "rw")
        path = Path(str(connection.data["socket"]))
        assert path.is_relative_to(tempfile.gettempdir())
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        await io(connection.data["uri"], "write -P 7 0 64k")
        await driver.close()
        assert not path.parent.exists()

        later = opened(directory)
        await later.check()
        await io(connection.data["uri"], "read -P 7 0 64k")


@clients
class TestPorts:
    async def test_attachments_have_ports_of_their_own_that_stay_theirs(self, opened: Opened):
        address = an_address()
        driver = opened(nbd_host=address)
        await driver.check()
        one, two = a_volume(size_gib=1), a_volume(size_gib=1)
        for each in (one, two):
            await driver.create_volume(each)
        attachment_id = uuid4()
        before = await driver.connect_volume(one, attachment_id, NODE, "rw")
        await io(before.data["uri"], "write -P 7 0 64k")
        await driver.close()

        later = opened(nbd_host=address)
        other = await later.connect_volume(two, uuid4(), NODE, "rw")
        assert other.data["port"] != before.data["port"]
        assert await later.connect_volume(one, attachment_id, NODE, "rw") == before
        await io(before.data["uri"], "read -P 7 0 64k")

    async def test_a_port_that_somebody_took_meanwhile_is_said_and_not_evaded(
        self, opened: Opened, spec: VolumeSpec, attachment_id: UUID
    ):
        address = an_address()
        driver = opened(nbd_host=address, nbd_first_port=20809)
        before = await driver.connect_volume(spec, attachment_id, NODE, "rw")
        await driver.close()
        later = opened(nbd_host=address)
        with socket.create_server((address, 20809)):
            await later.check()
            with pytest.raises(DriverFailure, match="took its port"):
                await later.connect_volume(spec, attachment_id, NODE, "rw")
            assert len(await later.connections()) == 1
        assert await later.connect_volume(spec, attachment_id, NODE, "rw") == before

    async def test_an_address_of_another_machine_is_refused_with_what_to_set(
        self, opened: Opened, spec: VolumeSpec, root: Path
    ):
        driver = opened(nbd_host="192.0.2.1")
        with pytest.raises(DriverFailure, match="nbd_host"):
            await driver.connect_volume(spec, uuid4(), NODE, "rw")
        assert left(root) == set()
