"""The bytes of an image on their way: one chunk ahead, resumed when broken off, and verified."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, suppress

from adapters.drivers.content import Block, Fingerprint, padded
from adapters.drivers.file_content import blocks_in
from adapters.image_service.port import PART, ImageFile, ImageRefused, Stream
from domain.errors import LapilliError, Unavailable


class ImageDiffers(LapilliError):
    """What came is not what was described. `what` is size or the name of a digest."""

    def __init__(self, *, what: str, expected: str, found: str) -> None:
        self.what, self.expected, self.found = what, expected, found
        super().__init__(f"The image's {what} is {found}, not {expected} as described.")


async def verified(stream: Stream, *, size: int | None, digests: Mapping[str, str]) -> Stream:
    """The same bytes. Raises ImageDiffers at the end, or once there are more than `size`.

    `digests` are hexadecimal, by hashlib's names; those that hashlib does not know are left out.
    They are computed in threads, each chunk while the consumer is busy with it.
    """
    sums = {name: hashlib.new(name, usedforsecurity=False) for name in _known(digests)}
    seen = 0
    busy: list[asyncio.Future[None]] = []
    async with aclosing(_ahead(stream)) as chunks:
        async for chunk in chunks:
            seen += len(chunk)
            if size is not None and seen > size:
                raise ImageDiffers(what="size", expected=str(size), found=f"at least {seen}")
            await asyncio.gather(*busy)
            busy = [
                asyncio.ensure_future(asyncio.to_thread(s.update, chunk)) for s in sums.values()
            ]
            yield chunk
    await asyncio.gather(*busy)
    if size is not None and seen != size:
        raise ImageDiffers(what="size", expected=str(size), found=str(seen))
    for name, computed in sums.items():
        if computed.hexdigest() != digests[name].lower():
            raise ImageDiffers(what=name, expected=digests[name], found=computed.hexdigest())


class _Unwanted(Exception):
    """Nobody waits for it any more."""


class FileCheck:
    """Whether a volume holds the image that is in a file (adapters.drivers.contract.Check)."""

    def __init__(self, image: ImageFile) -> None:
        self._image = image
        self._unwanted = False
        self.position = 0
        """How far it has come."""
        self.passed = False

    def copied(self, content: Iterator[Block]) -> None:
        """Raises ImageDiffers."""
        found = Fingerprint()
        for block in content:
            if self._unwanted:
                raise _Unwanted
            self.position = block.offset
            found.add(block)
        if found.value != self._image.fingerprint:
            raise ImageDiffers(
                what="fingerprint", expected=self._image.fingerprint, found=found.value
            )
        self.passed = True

    def original(self) -> None:
        """The file itself, whoever reads it besides. Raises ImageDiffers, ImageRefused."""
        try:
            self.copied(padded(blocks_in(self._image.file.fileno(), begin=0, end=self._image.size)))
        except OSError as failed:
            raise Unavailable(part=PART, reason=f"cannot read the image: {failed}") from failed
        self.shared()

    def shared(self) -> None:
        """Nothing was written that could differ. Raises ImageRefused if the file has changed."""
        if self._image.changed():
            raise ImageRefused("the image has changed while it was copied")
        self.passed = True

    def end(self) -> None:
        """Nobody waits for it any more."""
        self._unwanted = True


async def resumed(
    read: Callable[[int], Stream],
    *,
    attempts: int,
    pause: Callable[[int], Awaitable[None]],
) -> Stream:
    """What `read(0)` gives; after Unavailable what `read` gives from there on.

    `attempts` is how often in a row it may give nothing; before the nth of these `pause(n)`.
    """
    seen = failed = 0
    while True:
        try:
            async with aclosing(read(seen)) as chunks:
                async for chunk in chunks:
                    seen, failed = seen + len(chunk), 0
                    yield chunk
            return
        except Unavailable:
            failed += 1
            if failed >= attempts:
                raise
        await pause(failed)


async def _ahead(stream: Stream) -> Stream:
    """The same chunks, the next one fetched while the consumer is busy with the last."""
    fetching = asyncio.ensure_future(anext(stream, None))
    try:
        while (chunk := await fetching) is not None:
            fetching = asyncio.ensure_future(anext(stream, None))
            yield chunk
    finally:
        fetching.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await fetching
        await stream.aclose()


def _known(digests: Mapping[str, str]) -> list[str]:
    # Those of the shake family have no length of their own, so that no digest says enough
    known = hashlib.algorithms_available - {"shake_128", "shake_256"}
    return [name for name in digests if name in known]
