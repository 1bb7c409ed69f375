"""What the tests of processes share."""

import pytest

from services.processes import uploading

MIB = 2**20


@pytest.fixture(autouse=True)
def small_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GiB that becomes part of an image has a MiB here: an image has all the zeros of its
    volume, and nobody wants to wait for them."""
    monkeypatch.setattr(uploading, "GIB", MIB)
