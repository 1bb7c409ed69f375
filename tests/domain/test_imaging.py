"""Volumes that are made from images: what fits, what is remembered, and what a failure leaves."""

import msgspec
import pytest

from domain.aggregates.volume import imaging, properties
from domain.errors import InvalidRequest, NotAllowed, Superseded
from tests.support.builders import AN_IMAGE, a_moment, a_request, a_volume, bare

NOW = a_moment(60)
GIB = 2**30
replace = msgspec.structs.replace


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"size": 2 * GIB + 1}, "has 3 GiB, more than the volume's 2"),
        ({"min_disk": 3}, "at least 3 GiB"),
        ({"virtual_size": 2 * GIB + 1}, "a disk of 3 GiB"),
    ],
)
def test_an_image_that_does_not_fit_is_not_chosen(changes, why):
    volume = a_request()
    with pytest.raises(InvalidRequest, match=why):
        imaging.choose(volume, replace(AN_IMAGE, **changes), NOW)
    assert volume.image is None


def test_one_that_just_fits_is():
    volume = a_request()
    imaging.choose(volume, replace(AN_IMAGE, size=2 * GIB, virtual_size=2 * GIB, min_disk=2), NOW)
    assert volume.image is not None


def test_a_volume_that_was_made_shows_its_image_and_can_be_booted_from():
    volume = a_volume(in_state="downloading")
    properties.change_image_metadata(volume, {"os_distro": "debian", "image_name": "mine"}, NOW)
    volume.provisioned(volume.attempt, None, NOW)
    imaging.show(volume, NOW)
    assert volume.bootable
    assert volume.image_metadata == {
        "os_distro": "debian",
        "image_id": AN_IMAGE.id,
        "image_name": "mine",  # what was said meanwhile stays
        "checksum": "",
        "container_format": "bare",
        "disk_format": "raw",
        "min_disk": "0",
        "min_ram": "0",
        "size": str(AN_IMAGE.size),
        "hw_disk_bus": "virtio",  # and nothing of os_glance_…
    }


@pytest.mark.parametrize("state", ["available", "downloading", "error"])
def test_one_that_has_none_shows_nothing_and_so_does_one_that_was_not_made(state):
    volume = a_volume(in_state=state)
    imaging.show(volume, NOW)
    assert (volume.bootable, volume.pending) == (False, [])


def test_what_comes_is_told_by_the_attempt_that_is_at_work_and_no_other():
    volume = a_volume(in_state="downloading")
    imaging.progress(volume, volume.attempt, 2**20, NOW)
    [event] = bare(volume.pending)
    assert isinstance(event, imaging.DownloadProgressed)
    assert (event.done_bytes, event.total_bytes) == (2**20, AN_IMAGE.size)
    volume.start_provisioning("worker-2", NOW)
    for late in (
        lambda: imaging.progress(volume, 1, 2**21, NOW),
        lambda: imaging.download_failed(volume, 1, "no_room", "full", NOW),
    ):
        with pytest.raises(Superseded):
            late()


def test_a_volume_that_is_not_wanted_any_more_goes_whatever_became_of_its_image():
    volume = a_volume(in_state="downloading")
    volume.request_deletion(NOW, force=True)
    with pytest.raises(Superseded):
        imaging.progress(volume, volume.attempt, 2**20, NOW)
    imaging.download_failed(volume, volume.attempt, "not_copied", "it is gone", NOW)
    assert volume.state == "deleting"


def test_nothing_comes_to_a_volume_without_an_image():
    volume = a_volume(in_state="provisioning")
    with pytest.raises(NotAllowed):
        imaging.progress(volume, volume.attempt, 0, NOW)
    with pytest.raises(NotAllowed):
        imaging.download_failed(volume, volume.attempt, "no_room", "full", NOW)
