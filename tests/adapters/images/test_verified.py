"""Images on their way: verified against what they were described as, resumed where they broke."""

import hashlib
import random

import pytest

from adapters.image_service.port import Stream
from adapters.images.verified import ImageDiffers, resumed, verified
from domain.errors import Unavailable
from tests.support.patience import soon

CONTENT = random.Random(2).randbytes(100_000)
DIGESTS = {name: hashlib.new(name, CONTENT).hexdigest() for name in ("md5", "sha512", "sha256")}


async def stream(content: bytes = CONTENT, *, fails_at: int | None = None) -> Stream:
    for at in range(0, len(content), 10_000):
        if at == fails_at:
            raise Unavailable(part="image service", reason="gone")
        yield content[at : at + 10_000]


async def all_of(content: Stream) -> bytes:
    return b"".join([chunk async for chunk in content])


@pytest.mark.parametrize("size", [len(CONTENT), None])
@pytest.mark.parametrize("digests", [DIGESTS, {"md5": DIGESTS["md5"].upper()}, {}, {"crc7": "0"}])
async def test_what_is_as_described_passes_unchanged(size: int | None, digests: dict[str, str]):
    assert await soon(all_of(verified(stream(), size=size, digests=digests))) == CONTENT


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (CONTENT[:-1], "size"),
        (CONTENT + b"x", "size"),
        (b"", "size"),
        (CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]), "md5"),
    ],
)
async def test_what_differs_is_named(content: bytes, what: str):
    checked = verified(stream(content), size=len(CONTENT), digests=DIGESTS)
    with pytest.raises(ImageDiffers) as failure:
        await soon(all_of(checked))
    assert failure.value.what == what


@pytest.mark.parametrize("name", sorted(DIGESTS))
async def test_every_digest_counts(name: str):
    wrong = {**DIGESTS, name: hashlib.new(name, b"another").hexdigest()}
    with pytest.raises(ImageDiffers) as failure:
        await soon(all_of(verified(stream(), size=len(CONTENT), digests=wrong)))
    assert (failure.value.what, failure.value.found) == (name, DIGESTS[name])


async def test_no_byte_beyond_the_described_size_is_given():
    given = bytearray()
    with pytest.raises(ImageDiffers):
        async for chunk in verified(stream(), size=15_000, digests={}):
            given += chunk
    assert len(given) <= 15_000


async def test_what_fails_on_the_way_is_raised_after_what_came_before():
    given = bytearray()
    with pytest.raises(Unavailable):
        async for chunk in verified(stream(fails_at=30_000), size=len(CONTENT), digests=DIGESTS):
            given += chunk
    assert given == CONTENT[:30_000]


async def test_a_source_that_gives_nothing_is_given_up_after_so_many_pauses():
    pauses: list[int] = []

    async def pause(failed: int) -> None:
        pauses.append(failed)

    def read(start: int) -> Stream:
        return stream(CONTENT[start:], fails_at=0 if start == 20_000 else 20_000)

    given = bytearray()
    with pytest.raises(Unavailable):
        async for chunk in resumed(read, attempts=4, pause=pause):
            given += chunk
    assert given == CONTENT[:20_000]
    assert pauses == [1, 2, 3]
