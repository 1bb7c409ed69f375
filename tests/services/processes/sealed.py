"""A ring whose volumes are encrypted, and what has to be true of their keys."""

from domain.encryption import Encryption
from services.audit import keys as audited
from services.audit.replay import Replay
from services.audit.stored import LogOfStore
from tests.services.processes.keeping import hold
from tests.services.processes.ring import Ring, a_ring

LUKS = Encryption(provider="luks", cipher="aes-xts-plain64", key_size=256)


async def an_encrypted_volume(content: str = "a") -> Ring:
    """It is available, and a host has written that."""
    ring = await a_ring()
    await ring.world.has_encryption(LUKS)
    await ring.create()
    await ring.go_on()
    hold(ring, content)
    return ring


async def assert_keys(ring: Ring, *owned: str | None) -> None:
    """The key manager has these keys, which are equal, and no other; audit finds the same."""
    assert None not in owned and len(set(owned)) == len(owned)
    assert set(await ring.keys.keys()) == set(owned)
    assert len({(await ring.keys.get(str(key_id))).material for key_id in owned}) <= 1
    replay = Replay()
    for entry in await LogOfStore(ring.store).after(0, 10_000):
        replay.take(entry)
    assert list(audited.ties(replay)) == []

    async def nothing() -> None:
        pass

    audit = audited.KeyAudit(replay, nothing)
    await audit.check(ring.keys)
    assert (audit.findings, audit.unchecked) == ([], [])


async def key_id(ring: Ring, number: int = 1) -> str | None:
    return (await ring.volume(number)).encryption_key_id
