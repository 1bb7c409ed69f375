"""Without an NBD program, or with a broken one. These need none to be installed."""

import os
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from adapters.drivers import nbd
from adapters.drivers.contract import DriverFailure, VolumeSpec
from adapters.drivers.file import FileDriver
from tests.adapters.drivers.connection_contract import NODE
from tests.adapters.drivers.contract import pool_stats
from tests.adapters.drivers.data_path.exports import (
    left,
)
from tests.adapters.drivers.nbd_clients import (
    only,
)


class TestWithoutPrograms:
    """These need no NBD program to be installed."""

    async def test_attaching_is_refused_and_the_report_says_why(
        self,
        driver: FileDriver,
        spec: VolumeSpec,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ):
        only(monkeypatch, tmp_path / "bin")
        with pytest.raises(DriverFailure, match="install the package nbdkit") as failure:
            await driver.connect_volume(spec, uuid4(), NODE, "rw")
        assert not failure.value.retryable_elsewhere
        stats = await driver.stats()
        assert (stats.data_path, stats.data_path_problem) == ("none", nbd.NO_PROGRAM)
        assert (await pool_stats(driver)).capabilities["multiattach"] is False
        await driver.disconnect_volume(spec, uuid4())
        assert await driver.connections() == set()
        await driver.check()
        await driver.delete_volume(spec)

    async def test_a_program_that_fails_is_quoted_and_leaves_nothing(
        self,
        driver: FileDriver,
        spec: VolumeSpec,
        root: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ):
        only(monkeypatch, tmp_path / "bin")
        broken = tmp_path / "bin" / "nbdkit"
        broken.write_text("#!/bin/sh\necho 'no such plugin: file' >&2\nexit 1\n")
        broken.chmod(0o755)
        assert (await driver.stats()).data_path == "nbd"
        with pytest.raises(DriverFailure, match="nbdkit does not start: no such plugin: file"):
            await driver.connect_volume(spec, uuid4(), NODE, "rw")
        assert left(root) == set()
        assert await driver.connections() == set()

    async def test_a_program_that_does_not_serve_is_ended(
        self,
        driver: FileDriver,
        spec: VolumeSpec,
        root: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ):
        path = os.environ["PATH"]
        only(monkeypatch, tmp_path / "bin")
        idle = tmp_path / "bin" / "nbdkit"
        idle.write_text(f'#!/bin/sh\nPATH={path}\nsleep 600 >/dev/null 2>&1 &\necho $! >"$2"\n')
        idle.chmod(0o755)
        with pytest.raises(DriverFailure, match="does not serve"):
            await driver.connect_volume(spec, uuid4(), NODE, "rw")
        assert left(root) == set()

    async def test_a_damaged_record_is_named(
        self, driver: FileDriver, spec: VolumeSpec, root: Path, attachment_id: UUID
    ):
        (root / ".nbd").mkdir(mode=0o700, exist_ok=True)
        record = root / ".nbd" / f"{attachment_id}.json"
        record.write_text("{")
        with pytest.raises(DriverFailure, match=str(record)):
            await driver.connections()
        with pytest.raises(DriverFailure, match=str(record)):
            await driver.delete_volume(spec)
