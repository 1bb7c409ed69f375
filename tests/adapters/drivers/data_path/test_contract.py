"""The file driver keeps the contract of connections with every program and kind of address."""

import pytest

from adapters.drivers.contract import Driver
from tests.adapters.drivers.connection_contract import ConnectionContract
from tests.adapters.drivers.data_path.exports import (
    Opened,
    clients,
)


@clients
class TestFileDriverConnections(ConnectionContract):
    @pytest.fixture
    async def driver(self, served: Opened) -> Driver:
        driver = served()
        await driver.check()
        return driver

    @pytest.fixture
    def another(self, served: Opened) -> Opened:
        return served
