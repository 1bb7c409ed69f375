"""Putting the parts together: what settings say reaches the parts."""

import tempfile
from pathlib import Path
from uuid import UUID

import pytest

from adapters.drivers.contract import VolumeSpec
from adapters.image_service.directory import DirectoryImageService
from domain.errors import Unavailable
from services import composition
from services.composition import MIB
from services.settings import Backend, Backups, ImageService, Settings
from tests.adapters.backup_store.contract import CONTENT, a_backup
from tests.adapters.drivers.content_contract import blocks
from tests.adapters.drivers.nbd_clients import needs

BACKUP = a_backup()
SPEC = VolumeSpec(id=UUID(int=7), size_gib=1, pool="shelf", project_id="a-project")


async def test_backups_are_kept_as_the_settings_say(tmp_path: Path):
    (tmp_path / "mount").mkdir()
    for backups, directory, chunk, suffix in (
        (Backups(), tmp_path / "backups", 4 * MIB, "zst"),
        (
            Backups(directory=str(tmp_path / "mount"), chunk_mib=1, compression="none"),
            tmp_path / "mount",
            MIB,
            "raw",
        ),
    ):
        store = composition.open_backup_store(Settings(data_dir=str(tmp_path), backups=backups))
        await store.check()
        assert (await store.write(BACKUP, blocks(CONTENT))).chunk_bytes == chunk
        assert (directory / "nightly" / str(BACKUP.location.id) / f"{0:016x}.{suffix}").is_file()
        await store.close()


@needs("nbdkit")
@pytest.mark.parametrize(
    ("backend", "reached"),
    [
        (Backend(), {"socket"}),
        (Backend(nbd_host="127.8.0.9", nbd_first_port=20809), {"host", "port"}),
    ],
    ids=["as it comes", "with a host"],
)
async def test_a_backend_exports_where_its_settings_say(backend: Backend, reached: set[str]):
    with tempfile.TemporaryDirectory(prefix="nbd-") as directory:
        settings = Settings(data_dir=directory, backends={"shelf": backend})
        driver = composition.open_driver(settings, "shelf")
        try:
            await driver.check()
            await driver.create_volume(SPEC)
            connection = await driver.connect_volume(SPEC, UUID(int=8), {"host": "here"}, "rw")
        finally:
            await driver.close()
    data = connection.data
    assert data.keys() - {"uri", "export", "volume_id"} == reached
    if "port" in reached:
        assert data["host"] == "127.8.0.9"
        assert int(str(data["port"])) >= 20809


async def test_the_images_of_our_own_directory_are_there_from_the_start(tmp_path: Path):
    images = composition.open_image_service(Settings(data_dir=str(tmp_path)))
    assert isinstance(images, DirectoryImageService)
    assert await images.find("cirros", project_id="p") == []
    elsewhere = ImageService(directory=str(tmp_path / "missing"))
    missing = composition.open_image_service(Settings(image_service=elsewhere))
    with pytest.raises(Unavailable, match="there is no directory"):
        await missing.find("cirros", project_id="p")


async def test_a_glance_that_is_away_does_not_keep_us_from_starting():
    nobody = ImageService(driver="glance", endpoint="http://127.0.0.1:9")
    images = composition.open_image_service(Settings(image_service=nobody))
    with pytest.raises(Unavailable, match="image service"):
        await images.find(str(UUID(int=1)), project_id="p")
    await images.close()
