"""The key manager in memory keeps the contract."""

import secrets

import pytest

from adapters.key_manager.memory import MemoryKeyManager
from adapters.key_manager.port import KeyManager
from tests.adapters.key_manager.contract import KeyManagerContract


class TestMemoryKeyManager(KeyManagerContract):
    @pytest.fixture
    def keys(self) -> KeyManager:
        return MemoryKeyManager(random_bytes=secrets.token_bytes)
