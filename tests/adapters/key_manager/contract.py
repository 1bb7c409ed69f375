"""What every key manager keeps. `keys` is a fixture of the file that runs it."""

from uuid import UUID

import pytest

from adapters.key_manager.port import KeyManager, KeyRefused
from domain.errors import NotFound

ONE, TWO = str(UUID(int=1)), str(UUID(int=2))


async def an_aes_key(keys: KeyManager, name: str = ONE, *, bits: int = 256) -> str:
    return await keys.create_key(name, algorithm="aes", bits=bits)


class KeyManagerContract:
    @pytest.mark.parametrize("bits", [128, 256])
    async def test_a_key_has_the_length_that_was_asked_for(self, keys: KeyManager, bits: int):
        key = await keys.get(await an_aes_key(keys, bits=bits))
        assert (key.algorithm, key.bits, len(key.material)) == ("aes", bits, bits // 8)

    async def test_two_keys_have_nothing_in_common(self, keys: KeyManager):
        one, two = await an_aes_key(keys, ONE), await an_aes_key(keys, TWO)
        assert one != two
        assert (await keys.get(one)).material != (await keys.get(two)).material

    async def test_a_key_is_the_same_whenever_it_is_asked_for(self, keys: KeyManager):
        key_id = await an_aes_key(keys)
        assert await keys.get(key_id) == await keys.get(key_id)

    async def test_a_key_is_found_by_its_name(self, keys: KeyManager):
        key_id = await an_aes_key(keys, ONE)
        await an_aes_key(keys, TWO)
        assert await keys.named(ONE) == [key_id]

    async def test_no_name_has_a_key_that_was_never_made(self, keys: KeyManager):
        await an_aes_key(keys, ONE)
        assert await keys.named(TWO) == []

    async def test_made_again_the_first_key_stays_and_every_one_is_found(self, keys: KeyManager):
        first = await an_aes_key(keys)
        before = await keys.get(first)
        again = await an_aes_key(keys)
        assert await keys.get(first) == before
        assert await keys.named(ONE) == sorted({first, again})

    async def test_all_keys_are_listed_with_their_names(self, keys: KeyManager):
        made = {await an_aes_key(keys, name): name for name in (ONE, TWO)}
        assert await keys.keys() == made

    async def test_a_deleted_key_is_nowhere_any_more(self, keys: KeyManager):
        one, two = await an_aes_key(keys, ONE), await an_aes_key(keys, TWO)
        await keys.delete(one)
        with pytest.raises(NotFound):
            await keys.get(one)
        assert await keys.named(ONE) == []
        assert await keys.keys() == {two: TWO}

    async def test_deleting_twice_succeeds(self, keys: KeyManager):
        key_id = await an_aes_key(keys)
        for _ in range(2):
            await keys.delete(key_id)
        await keys.delete(str(UUID(int=99)))

    async def test_a_name_can_have_a_key_again(self, keys: KeyManager):
        first = await an_aes_key(keys)
        before = await keys.get(first)
        await keys.delete(first)
        assert (await keys.get(await an_aes_key(keys))).material != before.material

    async def test_a_copy_is_a_key_of_its_own_that_is_equal(self, keys: KeyManager):
        one = await an_aes_key(keys, ONE)
        material = (await keys.get(one)).material
        two = await keys.copy_key(TWO, one)
        assert two != one
        assert await keys.named(TWO) == [two]
        await keys.delete(one)
        copied = await keys.get(two)
        assert (copied.algorithm, copied.bits, copied.material) == ("aes", 256, material)

    async def test_what_is_not_there_cannot_be_copied(self, keys: KeyManager):
        with pytest.raises(NotFound):
            await keys.copy_key(TWO, ONE)
        assert await keys.keys() == {}

    @pytest.mark.parametrize("bits", [0, 7, 100])
    async def test_a_length_that_no_key_has_is_refused(self, keys: KeyManager, bits: int):
        with pytest.raises(KeyRefused):
            await an_aes_key(keys, bits=bits)
        assert await keys.keys() == {}

    async def test_what_is_printed_of_a_key_does_not_give_it_away(self, keys: KeyManager):
        key = await keys.get(await an_aes_key(keys))
        shown = f"{key} {key!r}"
        assert repr(key.material)[2:-1] not in shown and key.material.hex() not in shown
