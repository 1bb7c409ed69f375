"""Which backends can read each other's volumes: files of one machine."""

from functools import partial
from pathlib import Path

import pytest

from adapters.drivers.contract import VolumeSpec
from services import composition, settings
from services.neighbours import Neighbours
from tests.support.builders import an_id

CONFIG = """
host = "host1"
[backends.near]
pools = ["p", "q"]
[backends.far]
[backends.dream]
driver = "memory"
"""


@pytest.fixture
def configured(tmp_path: Path) -> settings.Settings:
    config = tmp_path / "lapilli.toml"
    config.write_text(CONFIG)
    flags = {"data_dir": str(tmp_path / "data")}
    return settings.load(environ={"LAPILLI_CONFIG": str(config)}, flags=flags)


def of(configured: settings.Settings, backend: str) -> Neighbours:
    return Neighbours(configured, backend, open_driver=partial(composition.open_driver, configured))


@pytest.mark.parametrize(
    ("backend", "readable"),
    [("near", ["host1@far"]), ("far", ["host1@near"]), ("dream", [])],
)
def test_files_can_be_read_by_the_other_backends_of_their_machine(configured, backend, readable):
    assert of(configured, backend).hosts == readable


async def test_what_a_neighbour_holds_is_read(configured):
    neighbours, near = of(configured, "far"), composition.open_driver(configured, "near")
    await near.check()
    spec = VolumeSpec(id=an_id(1), size_gib=1, pool="q", project_id="a-project")
    await near.create_volume(spec)
    found = await neighbours.driver("host1@near")
    assert found is not None
    assert await found.objects("q") == {spec.object_name}
    assert [block async for block in found.read(spec)] == []
    assert await neighbours.driver("host1@near") is found
    await neighbours.close()
    await near.close()


@pytest.mark.parametrize("host", ["host2@near", "host1@far", "host1@dream", "host1"])
async def test_what_is_no_neighbour_cannot_be_read(configured, host):
    assert await of(configured, "far").driver(host) is None
