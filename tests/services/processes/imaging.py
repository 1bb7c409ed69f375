"""Volumes to be made from an image that misbehaves as told, and what must have become of them."""

import asyncio
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.image_service.memory import MemoryImageService
from adapters.image_service.port import PART, NewImage, Stream
from domain.aggregates.volume import imaging
from domain.errors import Unavailable
from services.images import chosen
from tests.services.processes.ring import POOL, Ring, a_ring
from tests.support.around import Crash
from tests.support.builders import PROJECT, an_id

MIB = 2**20
_RANDOM = random.Random(7)
DISK = _RANDOM.randbytes(MIB) + bytes(MIB) + _RANDOM.randbytes(MIB) + b"the end"
"""With a hole, and no multiple of a block."""

FOR_EVER = 1_000


class Misbehaving(MemoryImageService):
    """Gives at most so many bytes before it breaks off, the first `times`."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.breaks_after: int | None = None
        self.times = FOR_EVER
        self.starts: list[int] = []
        """From where it was read."""
        self.meanwhile: Callable[[], Any] = lambda: None
        """What happens when somebody begins to read."""

    async def read(self, image_id: str, *, start: int = 0) -> Stream:
        self.starts.append(start)
        told = self.meanwhile()
        if asyncio.iscoroutine(told):
            await told
        given = 0
        async for chunk in super().read(image_id, start=start):
            if self.breaks_after is not None and given >= self.breaks_after and self.times:
                self.times -= 1
                raise Unavailable(part=PART, reason="the connection was reset")
            given += len(chunk)
            yield chunk


async def an_image_to_be(
    content: bytes = DISK,
    *,
    directory: Path | None = None,
    hidden: bool = False,
    **said: Any,
) -> Ring:
    """A volume of 2 GiB is asked for, from an image that has this content then; `hidden`, nobody
    knows how large its disk is."""
    ring = await a_ring()
    images = ring.images = Misbehaving(chunk_bytes=MIB, clock=ring.clock)
    if directory is not None:
        ring.directory = directory
    about = {"name": "cirros", "owner": PROJECT, "disk_format": "raw", **said}
    id = await images.create(NewImage(**about))
    images.put(id, content)
    if hidden:
        images.images[id] = msgspec.structs.replace(images.images[id], virtual_size=None)
    await ring.create(image=chosen(images.images[id]))
    return ring


def images_of(ring: Ring) -> Misbehaving:
    assert isinstance(ring.images, Misbehaving)
    return ring.images


def the_image(ring: Ring) -> str:
    [id] = images_of(ring).images
    return id


def says(ring: Ring, **lies: Any) -> None:
    """Of its image, from now on."""
    id, images = the_image(ring), images_of(ring).images
    images[id] = msgspec.structs.replace(images[id], **lies)


def on_the_volume(ring: Ring) -> bytes:
    """Its first bytes, as many as the disk has, and nothing may follow."""
    content = bytearray(len(DISK))
    for offset, data in ring.backend.pools[POOL].volumes[f"volume-{an_id(1)}"].content.items():
        rest = len(DISK) - offset
        content[offset : offset + len(data)] = data[:rest]
        assert not any(data[max(0, rest) :])
    return bytes(content)


async def becomes_the_disk(ring: Ring) -> None:
    """All of it is there, it can be booted from, and nothing else is left."""
    await ring.assert_one_available()
    assert on_the_volume(ring) == DISK
    volume = await ring.volume()
    assert volume.bootable
    assert volume.image_metadata["image_id"] == the_image(ring)
    assert left_over(ring) == []


async def fails(ring: Ring, problem: str, why: str) -> None:
    """In error for that reason, with nothing left but what is to be paid for."""
    await ring.assert_in_error()
    [failed] = [
        r.event
        for r in await ring.store.events(an_id(1))
        if isinstance(r.event, imaging.DownloadFailed)
    ]
    assert failed.problem == problem
    assert why in failed.reason
    assert ring.objects == {}
    assert left_over(ring) == []


async def worker_dies(ring: Ring) -> None:
    """While it waits for the image service to come back, which it then does."""

    async def dies(failed: int) -> None:
        raise Crash("waiting")

    ring.pause, pause = dies, ring.pause
    with pytest.raises(Crash):
        await ring.go_on(ring.process("worker-1"))
    ring.pause = pause
    images_of(ring).breaks_after = None
    images_of(ring).starts.clear()


def left_over(ring: Ring) -> list[str]:
    """Images that lie about."""
    return [path.name for path in ring.directory.glob("*.image")]


def as_qcow2(directory: Path, content: bytes = DISK) -> bytes:
    raw, image = directory / "disk.raw", directory / "disk.qcow2"
    raw.write_bytes(content.ljust(-(-len(content) // 512) * 512, b"\0"))
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(image)]
    subprocess.run(command, check=True, timeout=60)
    return image.read_bytes()
