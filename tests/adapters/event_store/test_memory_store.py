"""The event store in memory keeps the contract."""

import pytest

from adapters.event_store.memory import MemoryEventStore
from tests.adapters.event_store.catalogue_contract import CatalogueContract
from tests.adapters.event_store.contract import LIMITS, EventStoreContract, Open
from tests.adapters.event_store.dependence_contract import DependenceContract


class TestMemoryEventStore(EventStoreContract):
    @pytest.fixture
    def open_store(self) -> Open:
        only = MemoryEventStore(default_limits=LIMITS)
        return lambda: only


class TestMemoryCatalogue(CatalogueContract):
    @pytest.fixture
    def open_store(self) -> Open:
        only = MemoryEventStore(default_limits=LIMITS)
        return lambda: only


class TestMemoryDependence(DependenceContract):
    @pytest.fixture
    def open_store(self) -> Open:
        only = MemoryEventStore(default_limits=LIMITS)
        return lambda: only
