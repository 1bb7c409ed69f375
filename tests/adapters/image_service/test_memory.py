"""The image service in memory keeps what the others do."""

import pytest

from adapters.image_service.memory import MemoryImageService
from tests.adapters.image_service.contract import ImageServiceContract


@pytest.fixture
def images() -> MemoryImageService:
    return MemoryImageService()


class TestMemory(ImageServiceContract):
    pass
