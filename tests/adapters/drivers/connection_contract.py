"""What every driver promises of connections, as tests; run by subclassing for each driver."""

import asyncio
from collections.abc import Callable
from uuid import UUID, uuid4

import msgspec
import pytest

from adapters.drivers.contract import (
    Connected,
    Connection,
    Connector,
    Driver,
    DriverFailure,
    InvalidConnector,
    VolumeBusy,
    VolumeSpec,
)
from tests.adapters.drivers.content_contract import CONTENT, blocks
from tests.adapters.drivers.contract import a_volume, pool_stats, provisioned_gib
from tests.adapters.drivers.copy_contract import a_snapshot, holds

NODE: Connector = {"host": "compute-1", "ip": "192.0.2.7", "platform": "x86_64", "multipath": False}


class ConnectionContract:
    """Every driver with a data path passes this; fixtures as for DriverContract."""

    @pytest.fixture
    async def spec(self, driver: Driver) -> VolumeSpec:
        """A volume that is there."""
        spec = a_volume()
        await driver.create_volume(spec)
        return spec

    @pytest.fixture
    def attachment_id(self) -> UUID:
        return uuid4()

    async def test_a_connected_volume_tells_how_it_is_reached(
        self, driver: Driver, spec: VolumeSpec, attachment_id: UUID
    ):
        connection = await driver.connect_volume(spec, attachment_id, NODE, "rw")
        assert connection.driver_volume_type == (await driver.stats()).data_path
        assert connection.data["volume_id"] == str(spec.id)
        assert await driver.connections() == {Connected(spec.object_name, attachment_id)}
        assert msgspec.json.decode(msgspec.json.encode(connection), type=Connection) == connection

    async def test_the_same_attachment_again_has_the_same_connection(
        self,
        driver: Driver,
        another: Callable[[], Driver],
        spec: VolumeSpec,
        attachment_id: UUID,
    ):
        first = await driver.connect_volume(spec, attachment_id, NODE, "rw")
        assert await driver.connect_volume(spec, attachment_id, NODE, "rw") == first
        assert await another().connect_volume(spec, attachment_id, NODE, "rw") == first
        assert await driver.connections() == {Connected(spec.object_name, attachment_id)}

    async def test_simultaneous_connects_of_one_attachment_make_one_connection(
        self,
        driver: Driver,
        another: Callable[[], Driver],
        spec: VolumeSpec,
        attachment_id: UUID,
    ):
        other = another()
        made = await asyncio.gather(
            *(each.connect_volume(spec, attachment_id, NODE, "rw") for each in [driver, other] * 4)
        )
        assert all(each == made[0] for each in made)
        assert await driver.connections() == {Connected(spec.object_name, attachment_id)}

    async def test_another_mode_has_the_same_address(
        self, driver: Driver, spec: VolumeSpec, attachment_id: UUID
    ):
        writing = await driver.connect_volume(spec, attachment_id, NODE, "rw")
        assert await driver.connect_volume(spec, attachment_id, NODE, "ro") == writing
        assert len(await driver.connections()) == 1

    async def test_attachments_of_one_volume_come_and_go_by_themselves(
        self, driver: Driver, spec: VolumeSpec
    ):
        first, second = uuid4(), uuid4()
        await driver.connect_volume(spec, first, NODE, "rw")
        await driver.connect_volume(spec, second, NODE, "rw")
        assert (await pool_stats(driver)).capabilities["multiattach"] is True
        await driver.disconnect_volume(spec, first)
        assert await driver.connections() == {Connected(spec.object_name, second)}

    async def test_disconnecting_what_is_not_connected_succeeds(
        self, driver: Driver, spec: VolumeSpec, attachment_id: UUID
    ):
        await driver.disconnect_volume(spec, attachment_id)
        await driver.connect_volume(spec, attachment_id, NODE, "rw")
        await driver.disconnect_volume(spec, attachment_id)
        await driver.disconnect_volume(spec, attachment_id)
        await driver.disconnect_volume(a_volume(), attachment_id)
        assert await driver.connections() == set()

    @pytest.mark.parametrize("connector", [{}, {"host": None}, {"host": " "}, {"host": 7}])
    async def test_a_connector_without_a_host_is_refused(
        self, driver: Driver, spec: VolumeSpec, attachment_id: UUID, connector: Connector
    ):
        with pytest.raises(InvalidConnector, match="host") as failure:
            await driver.connect_volume(spec, attachment_id, connector, "rw")
        assert not failure.value.retryable_elsewhere
        assert await driver.connections() == set()

    async def test_what_is_not_there_is_not_connected(self, driver: Driver, attachment_id: UUID):
        with pytest.raises(DriverFailure, match="not there") as failure:
            await driver.connect_volume(a_volume(), attachment_id, NODE, "rw")
        assert not failure.value.retryable_elsewhere
        assert await driver.connections() == set()
        assert await driver.objects() == set()

    async def test_connections_are_told_by_pool(
        self, driver: Driver, spec: VolumeSpec, attachment_id: UUID
    ):
        twin = msgspec.structs.replace(spec, pool="silver")
        await driver.create_volume(twin)
        await driver.connect_volume(twin, attachment_id, NODE, "rw")
        assert await driver.connections("gold") == set()
        assert await driver.connections("silver") == {Connected(twin.object_name, attachment_id)}
        with pytest.raises(DriverFailure, match="brass"):
            await driver.connections("brass")
        with pytest.raises(DriverFailure, match="brass"):
            await driver.connect_volume(a_volume(pool="brass"), attachment_id, NODE, "rw")
        await driver.delete_volume(spec)  # of the twin's name, and not connected

    async def test_a_connected_volume_is_not_deleted(
        self, driver: Driver, spec: VolumeSpec, attachment_id: UUID
    ):
        await driver.connect_volume(spec, attachment_id, NODE, "ro")
        with pytest.raises(VolumeBusy):
            await driver.delete_volume(spec)
        assert await driver.objects() == {spec.object_name}
        await driver.disconnect_volume(spec, attachment_id)
        await driver.delete_volume(spec)
        assert await driver.objects() == set()

    async def test_a_connected_volume_is_copied_but_not_replaced(
        self, driver: Driver, spec: VolumeSpec, attachment_id: UUID
    ):
        await driver.overwrite_volume(spec, blocks(CONTENT))
        connection = await driver.connect_volume(spec, attachment_id, NODE, "rw")
        snapshot, clone = a_snapshot(spec), a_volume()
        await driver.create_snapshot(snapshot)
        await driver.clone_volume(clone, spec)
        with pytest.raises(VolumeBusy):
            await driver.revert_volume(spec, snapshot)
        with pytest.raises(VolumeBusy):
            await driver.overwrite_volume(spec, blocks([]))
        for each in (spec, snapshot, clone):
            assert await holds(driver, each, CONTENT)
        assert await driver.connect_volume(spec, attachment_id, NODE, "rw") == connection

    async def test_a_connected_volume_grows_where_the_pool_says_so_and_else_stays(
        self, driver: Driver, spec: VolumeSpec, attachment_id: UUID
    ):
        await driver.connect_volume(spec, attachment_id, NODE, "rw")
        await driver.extend_volume(spec, spec.size_gib)
        if (await pool_stats(driver)).capabilities["online_extend_support"]:
            await driver.extend_volume(spec, 5)
            assert await provisioned_gib(driver) == 5
            return
        with pytest.raises(DriverFailure, match="detach") as failure:
            await driver.extend_volume(spec, 5)
        assert not failure.value.retryable_elsewhere
        assert await provisioned_gib(driver) == spec.size_gib
        await driver.disconnect_volume(spec, attachment_id)
        await driver.extend_volume(spec, 5)

    async def test_connections_are_brought_back_where_they_were(
        self,
        driver: Driver,
        another: Callable[[], Driver],
        spec: VolumeSpec,
        attachment_id: UUID,
    ):
        before = await driver.connect_volume(spec, attachment_id, NODE, "rw")
        await driver.close()
        later = another()
        assert await later.connections() == {Connected(spec.object_name, attachment_id)}
        with pytest.raises(VolumeBusy):
            await later.delete_volume(spec)
        await later.check()
        assert await later.connect_volume(spec, attachment_id, NODE, "rw") == before
