"""Images become volumes: whole and verified, whatever dies, lies or breaks off on the way."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.drivers.contract import DriverFailure
from adapters.drivers.memory import Fault, Hold, MemoryDriver
from domain.aggregates.volume import imaging
from services.processes.backend_work import spec_of_volume
from services.processes.sweep import sweep_images
from services.unit_of_work import Commands
from tests.adapters.drivers.mounts import tmpfs
from tests.adapters.drivers.nbd_clients import needs
from tests.adapters.images.disks import a_qcow2
from tests.services.processes.deaths import die_everywhere
from tests.services.processes.imaging import (
    DISK,
    MIB,
    an_image_to_be,
    as_qcow2,
    becomes_the_disk,
    fails,
    images_of,
    left_over,
    says,
    the_image,
    worker_dies,
)
from tests.services.processes.ring import ACK_WAIT_S, POOL, Process, Ring
from tests.support.builders import an_id
from tests.support.patience import PATIENCE_S

NAME = f"volume-{an_id(1)}"


async def test_an_image_becomes_a_volume_and_users_see_it_come():
    ring = await an_image_to_be(properties={"os_distro": "debian", "os_glance_x": "y"})
    await ring.go_on()
    await becomes_the_disk(ring)
    volume = await ring.volume()
    assert volume.image_metadata["os_distro"] == "debian"
    assert "os_glance_x" not in volume.image_metadata
    history = await ring.store.events(an_id(1))
    progress = [r.event for r in history if isinstance(r.event, imaging.DownloadProgressed)]
    assert progress[0].done_bytes == 0
    assert (progress[-1].done_bytes, progress[-1].total_bytes) == (3 * MIB, len(DISK))
    done = [each.done_bytes for each in progress]
    assert done == sorted(set(done))


async def test_defect_03_wherever_a_worker_dies_the_next_one_brings_the_image():
    points = await die_everywhere(an_image_to_be, becomes_the_disk)
    assert {"before a block", "after the blocks", "before read"} <= {*points}


async def test_what_a_dead_worker_brought_is_gone_on_with():
    ring = await an_image_to_be()
    images_of(ring).breaks_after = 2 * MIB
    await worker_dies(ring)
    assert (await ring.volume()).status == "downloading"
    await ring.go_on(ring.process("worker-2"))
    await becomes_the_disk(ring)
    [start] = images_of(ring).starts
    assert start == MIB  # the second is a hole, of which nobody needs to know that it came


async def test_a_service_that_breaks_off_is_asked_for_the_rest():
    ring = await an_image_to_be()
    images_of(ring).breaks_after = MIB
    await ring.go_on()
    await becomes_the_disk(ring)
    assert images_of(ring).starts == [n * MIB for n in range(4)]


BROKEN: dict[str, tuple[Callable[[Ring], object], str, str]] = {
    "it is deleted": (
        lambda ring: images_of(ring).images.clear(),
        "not_copied",
        "could not be found",
    ),
    "it is deleted while it comes": (
        lambda ring: _meanwhile(ring, lambda: images_of(ring).images.clear()),
        "not_copied",
        "could not be found",
    ),
    "it is deactivated": (
        lambda ring: says(ring, status="deactivated"),
        "not_copied",
        "is deactivated",
    ),
    "it is another one by now": (
        lambda ring: images_of(ring).put(the_image(ring), DISK[:-1]),
        "not_copied",
        "not what it was",
    ),
    "its digest is wrong": (
        lambda ring: _content(ring, DISK[:-1] + b"!"),
        "not_copied",
        "sha256",
    ),
    "it ends too early": (lambda ring: _content(ring, DISK[:-9]), "not_copied", "size"),
    "it does not end": (lambda ring: _content(ring, DISK + DISK), "not_copied", "size"),
    "it is no raw image": (
        lambda ring: _content(ring, a_qcow2()),
        "unacceptable",
        "declared as raw and is qcow2",
    ),
    "the service is away": (
        lambda ring: setattr(images_of(ring), "breaks_after", 0),
        "not_copied",
        "the connection was reset",
    ),
}


def _meanwhile(ring: Ring, what: Callable[[], object]) -> None:
    images_of(ring).meanwhile = what


def _content(ring: Ring, content: bytes) -> None:
    """What is given is not what is described."""
    images_of(ring).contents[the_image(ring)] = content


@pytest.mark.parametrize("broken", BROKEN)
async def test_defect_07_what_is_wrong_with_an_image_ends_in_error_and_leaves_nothing(broken):
    wrong, problem, why = BROKEN[broken]
    ring = await an_image_to_be()
    wrong(ring)
    if broken == "it is deleted while it comes":
        images_of(ring).breaks_after, images_of(ring).times = MIB, 1
    await ring.go_on()
    await fails(ring, problem, why)
    await ring.delete()
    await ring.go_on()
    await ring.assert_nothing_left()


async def test_wherever_a_worker_dies_a_wrong_image_ends_in_error():
    async def wrong() -> Ring:
        ring = await an_image_to_be()
        _content(ring, DISK[:-1] + b"!")
        return ring

    async def in_error(ring: Ring) -> None:
        await ring.assert_in_error()
        await ring.delete()
        await ring.go_on()
        await ring.assert_nothing_left()

    assert "before delete_volume" in await die_everywhere(wrong, in_error)


async def test_part_of_a_volume_that_was_damaged_since_comes_again():
    ring = await an_image_to_be()
    images_of(ring).breaks_after = 2 * MIB
    await worker_dies(ring)
    ring.backend.pools[POOL].volumes[NAME].content[0] = b"?" * MIB
    await ring.go_on(ring.process("worker-2"))
    await becomes_the_disk(ring)
    assert images_of(ring).starts == [MIB, 0]


async def test_a_volume_that_is_there_already_and_is_no_such_image_is_not_taken_for_it():
    ring = await an_image_to_be()
    await ring.process().handle("placement", await ring.the_delivery("placement"))
    await MemoryDriver(ring.backend).create_volume(spec_of_volume(await ring.volume()))
    await ring.go_on()
    assert (await ring.volume()).state == "error"
    assert ring.objects == {}


async def test_a_volume_that_is_deleted_while_its_image_comes_is_gone():
    ring = await an_image_to_be()
    images_of(ring).meanwhile = lambda: ring.delete(force=True)
    await ring.go_on()
    await ring.assert_nothing_left()
    assert images_of(ring).starts == [0]


async def test_a_worker_that_was_taken_for_dead_stops_and_leaves_its_successor_alone():
    ring = await an_image_to_be()
    held = Hold()
    images_of(ring).meanwhile = held.passed
    await ring.process().handle("placement", await ring.the_delivery("placement"))
    delivery = await ring.the_delivery("provisioning")
    first = asyncio.create_task(ring.process("worker-1").handle("provisioning", delivery))
    async with asyncio.timeout(PATIENCE_S):
        await held.reached.wait()
    images_of(ring).meanwhile = lambda: None
    ring.clock.now_s += ACK_WAIT_S
    await ring.go_on(ring.process("worker-2"))
    await becomes_the_disk(ring)
    held.release()
    await first
    await becomes_the_disk(ring)


async def test_a_backend_without_room_says_so_and_keeps_nothing():
    ring = await an_image_to_be()
    ring.faults.plan("write_volume", Fault(failure=DriverFailure("the shelf is full", True)))
    await ring.go_on()
    await ring.assert_in_error()
    assert ring.objects == {}


async def test_a_download_that_takes_too_long_is_given_up():
    ring = await an_image_to_be()
    held = Hold()
    images_of(ring).meanwhile = held.passed
    impatient = Process(ring, "worker-1", timeout_s=0.01)
    await ring.process().handle("placement", await ring.the_delivery("placement"))
    await impatient.handle("provisioning", await ring.the_delivery("provisioning"))
    assert held.reached.is_set()
    await ring.go_on()
    await ring.assert_in_error()
    assert ring.objects == {}


# those that have to be converted

needs_qemu_img = needs("qemu-img")


@needs_qemu_img
async def test_wherever_a_worker_dies_a_converted_image_becomes_the_volume(tmp_path: Path):
    content = as_qcow2(tmp_path)
    points = await die_everywhere(
        lambda: an_image_to_be(content, disk_format="qcow2", directory=tmp_path), _disk_and_swept
    )
    assert {"before a block", "after the blocks", "before read"} <= {*points}


async def _disk_and_swept(ring: Ring) -> None:
    """A worker that begins sweeps first; here it comes too late to have been the one that dies."""
    await sweep_images(Commands(ring.store), ring.process().downloads)
    await becomes_the_disk(ring)


@needs_qemu_img
async def test_a_converted_image_that_broke_off_is_not_fetched_twice(tmp_path: Path):
    content = as_qcow2(tmp_path)
    ring = await an_image_to_be(content, disk_format="qcow2", directory=tmp_path)
    images_of(ring).breaks_after = 2 * MIB
    await worker_dies(ring)
    assert left_over(ring) == [f"{an_id(1)}.image"]
    await ring.go_on(ring.process("worker-2"))
    await becomes_the_disk(ring)
    assert images_of(ring).starts == [2 * MIB]


@needs_qemu_img
@pytest.mark.parametrize(
    ("content", "problem", "why"),
    [
        (a_qcow2(size=3 << 30), "unacceptable", "more than the volume"),
        (DISK, "unacceptable", "declared as qcow2 and is raw"),
    ],
    ids=["too large a disk", "raw"],
)
async def test_an_image_that_cannot_be_converted_puts_its_volume_in_error(
    content: bytes, problem: str, why: str, tmp_path: Path
):
    ring = await an_image_to_be(content, disk_format="qcow2", hidden=True, directory=tmp_path)
    await ring.go_on()
    await fails(ring, problem, why)


@needs_qemu_img
async def test_an_image_for_which_there_is_no_room_puts_its_volume_in_error(tmp_path: Path):
    content = as_qcow2(tmp_path)
    with tmpfs(tmp_path, options="size=1m") as small:
        ring = await an_image_to_be(content, disk_format="qcow2", directory=small)
        await ring.go_on()
        await fails(ring, "no_room", "No space left on device")


@needs_qemu_img
async def test_images_of_volumes_that_are_not_made_any_more_are_swept(tmp_path: Path):
    ring = await an_image_to_be(as_qcow2(tmp_path), disk_format="qcow2", directory=tmp_path)
    images_of(ring).breaks_after = MIB
    await worker_dies(ring)
    commands, downloads = Commands(ring.store), ring.process().downloads
    assert await sweep_images(commands, downloads) == 0
    await ring.delete(force=True)
    assert await sweep_images(commands, downloads) == 1
    assert left_over(ring) == []
