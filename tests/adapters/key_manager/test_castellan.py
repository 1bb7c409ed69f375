"""The castellan adapter keeps the contract on the key manager in memory that castellan ships."""

from pathlib import Path

import pytest
from castellan.common import exception
from castellan.common.objects.opaque_data import OpaqueData
from castellan.tests.unit.key_manager.mock_key_manager import MockKeyManager
from oslo_context.context import RequestContext

from adapters.key_manager.castellan import CastellanKeyManager, opened
from adapters.key_manager.port import KeyManager, KeyRefused
from domain.errors import Unavailable
from tests.adapters.key_manager.contract import ONE, KeyManagerContract, an_aes_key


@pytest.fixture
def castellan() -> MockKeyManager:
    return MockKeyManager()


class TestCastellanKeyManager(KeyManagerContract):
    @pytest.fixture
    def keys(self, castellan: MockKeyManager) -> KeyManager:
        return CastellanKeyManager(castellan, credentials=RequestContext)


def adapter(castellan: MockKeyManager) -> CastellanKeyManager:
    return CastellanKeyManager(castellan, credentials=RequestContext)


async def test_what_others_keep_there_is_not_ours(castellan: MockKeyManager):
    keys = adapter(castellan)
    key_id = await an_aes_key(keys)
    context = RequestContext()
    castellan.create_key(context, algorithm="aes", length=256, name="somebody's")
    castellan.create_key(context, algorithm="aes", length=256)
    secret = castellan.store(context, OpaqueData(b"a certificate", name=f"lapilli-{ONE}"))
    assert await keys.keys() == {key_id: ONE}
    assert await keys.named(ONE) == [key_id]
    with pytest.raises(KeyRefused):
        await keys.get(secret)


async def test_who_may_not_is_refused(castellan: MockKeyManager):
    keys = CastellanKeyManager(castellan, credentials=lambda: None)
    with pytest.raises(KeyRefused, match="authorized"):
        await an_aes_key(keys)


class Away(MockKeyManager):
    """Every call fails, in one of the ways that client libraries have."""

    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self.failure = failure

    def create_key(self, *_: object, **__: object):
        raise self.failure

    delete = get = list = create_key


@pytest.mark.parametrize(
    "failure",
    [exception.KeyManagerError(reason="503"), ConnectionRefusedError("refused"), OSError("reset")],
)
async def test_one_that_is_away_is_unavailable(failure: Exception):
    keys = adapter(Away(failure))
    for call in (an_aes_key(keys), keys.get(ONE), keys.delete(ONE), keys.named(ONE), keys.keys()):
        with pytest.raises(Unavailable, match="key manager"):
            await call


async def test_castellan_is_opened_as_its_own_configuration_says(tmp_path: Path):
    config = tmp_path / "castellan.conf"
    config.write_text(
        "[key_manager]\n"
        "backend = castellan.tests.unit.key_manager.mock_key_manager.MockKeyManager\n"
        "auth_type = password\nusername = lapilli\npassword = secret\n"
    )
    keys = opened(config)
    assert await keys.named(ONE) == []
    assert await keys.named(ONE) == [] != [await an_aes_key(keys)]


@pytest.mark.parametrize(
    "text", [None, "no section", "[key_manager]\nbackend = no.such.Backend\nauth_type = token\n"]
)
async def test_a_configuration_that_cannot_be_used_says_so(tmp_path: Path, text: str | None):
    config = tmp_path / "castellan.conf"
    if text is not None:
        config.write_text(text)
    with pytest.raises(Unavailable, match=r"castellan\.conf"):
        opened(config)
